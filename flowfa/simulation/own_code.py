"""The user's own files that a run was made with: recorded, asked for, and compared."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flowfa.files.own_code import origins, source_of
from flowfa.flow.observable_registry import Observable
from flowfa.problems.problem import Problem
from flowfa.solvers.registry import SOLVERS

SHOWN = 12
"""Digits of a digest in messages."""


def own_code_of(
    problem: Problem, observables: Iterable[Observable] = (), solvers: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the part of a configuration that names files beside flowfa's; empty if there is none.

    Parameters
    ----------
    problem : Problem
    observables : iterable of Observable
    solvers : iterable of str
        Names of registered ones.
    """
    components: list[tuple[str, Any]] = [(f"rule {rule.name}", rule) for rule in problem.rules]
    components += [
        (f"loss {problem.loss.name}", problem.loss),
        (f"activation {problem.activation.name}", problem.activation),
        (f"start {problem.initial.name}", problem.initial),
    ]
    components += [(f"observable {entry.name}", entry.function) for entry in observables]
    components += [
        (f"solver {name}", SOLVERS.get(name)) for name in solvers if name in SOLVERS.names()
    ]
    found = origins(components)
    return {"imports": found} if found else {}


def where_from(configuration: Mapping[str, Any], title: str, otherwise: str) -> str:
    """Return what to do for a component that is not registered here.

    Parameters
    ----------
    configuration : mapping
        Of the run that needs it.
    title : str
        ``rule half-fa``.
    otherwise : str
        What to do where the run does not name its file.
    """
    for entry in configuration.get("imports", ()):
        if title in entry["gives"]:
            file, digest = entry["file"], entry["sha256"][:SHOWN]
            return (
                f'it comes from the file {file} (sha256 {digest}...): give `import="{file}"`, in '
                f'Python flowfa.import_file("{file}")'
            )
    return otherwise


def compare_own_code(
    configuration: Mapping[str, Any], components: Sequence[tuple[str, Any]], label: str
) -> None:
    """Warn where a component is defined by another file than when a run was made.

    Parameters
    ----------
    configuration : mapping
        Of the run.
    components : sequence of (str, object)
        As `flowfa.files.own_code.origins`.
    label : str
        The run.
    """
    told = set()
    for title, component in components:
        source = source_of(component)
        for entry in configuration.get("imports", ()):
            if source is None or title not in entry["gives"] or source.digest == entry["sha256"]:
                continue
            if source not in told:
                told.add(source)
                made_with = f"{entry['file']}, sha256 {entry['sha256'][:SHOWN]}..."
                warnings.warn(
                    f"{source.name} (sha256 {source.digest[:SHOWN]}...) is not the file that "
                    f"{label} was made with ({made_with}): the {title} may be another one",
                    stacklevel=2,
                )

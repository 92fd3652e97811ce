"""Files of the user's own in tests: what they register is forgotten afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from flowfa.files import own_code
from flowfa.flow.observable_registry import OBSERVABLES
from flowfa.problems.losses import LOSSES
from flowfa.problems.rules import RULES
from flowfa.problems.starts import STARTS
from flowfa.solvers.registry import SOLVERS
from theory_checks.statements.statement import CHECKS

REGISTRIES = (RULES, LOSSES, STARTS, OBSERVABLES, SOLVERS, CHECKS)


@contextlib.contextmanager
def forgotten() -> Iterator[None]:
    """Within, a file can be imported as in a process of its own."""
    before = [registry.names() for registry in REGISTRIES]
    files = dict(own_code._imported)
    try:
        yield
    finally:
        for registry, names in zip(REGISTRIES, before, strict=True):
            for name in set(registry.names()) - set(names):
                registry.forget(name)
        own_code._imported.clear()
        own_code._imported.update(files)

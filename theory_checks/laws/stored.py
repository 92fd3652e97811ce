"""Laws from the file that ``flowfa laws --out`` wrote, held to what the file says of them.

A file may have been edited or damaged. Its formulas are written anew from the terms, which are what
a run is held to: where these say another law than the text does, the file is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from flowfa.errors import InputError
from flowfa.problems.activations.stored import stored_activation
from flowfa.problems.rules import RULES
from theory_checks.laws.arithmetic.modular import Modular
from theory_checks.laws.formulas.families import Family, families
from theory_checks.laws.formulas.law import Law, Term
from theory_checks.laws.motion.dynamics import Dynamics
from theory_checks.laws.motion.feedback import kept_matrices
from theory_checks.laws.motion.products import with_products

FORMAT = "flowfa laws 1"
AGAIN = "write the laws anew with flowfa laws --out"
LARGEST = 1e300
"""Of a coefficient."""


def stored_laws(laws: str | Path | Mapping[str, Any]) -> tuple[Dynamics, tuple[Family, ...]]:
    """Return the flow that the laws of a file are of, and its formulas.

    Parameters
    ----------
    laws : str, Path or mapping
        The file, or its document.

    Raises
    ------
    InputError
        If it is no such file, or its formulas are not those of their terms.
    """
    document = laws if isinstance(laws, Mapping) else _read(Path(laws))
    dynamics, formulas = _dynamics_of(document), document.get("formulas")
    if not isinstance(formulas, list):
        raise InputError(f"the laws have no list of formulas: {AGAIN}")
    shapes = _shapes(dynamics)
    return dynamics, tuple(_family(dynamics, shapes, formula) for formula in formulas)


def _family(dynamics: Dynamics, shapes: Mapping[str, tuple[int, ...]], formula: object) -> Family:
    """Return a formula, whose text is that of its terms."""
    if not isinstance(formula, Mapping):
        raise InputError(f"a formula of the laws is {formula!r}: {AGAIN}")
    said = formula.get("text")
    listed = formula.get("members")
    if not isinstance(listed, list) or not listed:
        raise InputError(f"the formula {said!r} has no members: {AGAIN}")
    laws = tuple(Law.from_json_dict(law) for law in listed)
    for law in laws:
        if not law.terms or not all(_usable(term, shapes) for term in law.terms):
            raise InputError(
                f"the formula {said!r} has a law without terms, with a coefficient beyond all "
                f"numbers, or with a number that the network does not have: {AGAIN}"
            )
        _check_place(law, dynamics, said)
        _check_null_vector(law, shapes, said)
    written, *more = families(dynamics, laws)
    if more:
        texts = " and ".join(f"{family.text}{family.members}" for family in (written, more[0]))
        raise InputError(
            f"the formula {said!r} is not that of its terms, which are of several: {texts}: "
            f"{AGAIN}, or make a formula of each"
        )
    for key, value in written.to_json_dict().items():
        if key != "members" and formula.get(key) != value:
            raise InputError(
                f"the formula {said!r} has the {key} {formula.get(key)!r}, and its terms say "
                f"{value!r}: {AGAIN}, or mend one of them"
            )
    return written


def _usable(term: Term, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    entries = [factor.entry for factor in term.monomial]
    entries += [entry for entry, _ in term.coefficient.entries]
    number = term.coefficient.number
    scalar = term.coefficient.scalar
    usable = bool(term.monomial) and abs(number) < LARGEST
    usable &= scalar is None or bool(np.isfinite(scalar[1]))
    usable &= all(_in_shape(name, index, shapes) for name, index in entries)
    part = term.coefficient.component
    return usable and (part is None or (bool(part.matrices) and part.row in part.rows))


def _in_shape(name: str, index: tuple[int, ...], shapes: Mapping[str, tuple[int, ...]]) -> bool:
    shape = shapes.get(name)
    return (
        shape is not None
        and len(index) == len(shape)
        and all(isinstance(place, int) for place in index)
        and all(0 <= place < width for place, width in zip(index, shape, strict=True))
    )


def _check_place(law: Law, dynamics: Dynamics, said: object) -> None:
    """Refuse a law whose layer or neurons the network does not have."""
    hidden = range(1, dynamics.layers)
    layer = law.layer
    width = dynamics.sizes[layer] if layer is not None and layer in hidden else 0
    known = layer is None or layer in hidden
    if not known or len(law.neurons) > 2 or any(not 0 <= j < width for j in law.neurons):
        raise InputError(
            f"the formula {said!r} is of layer {layer} and neurons {list(law.neurons)}, which the "
            f"network does not have: {AGAIN}"
        )


def _check_null_vector(law: Law, shapes: Mapping[str, tuple[int, ...]], said: object) -> None:
    """Refuse a law with a null vector, which is one letter in the text, that is no such product.

    The text says neither rows nor entries: each array has one column, whose entries on the rows of
    the null vector are multiplied by its entries, in turn, all times one number.
    """
    parts = [term.coefficient.component for term in law.terms]
    first = parts[0]
    if first is None and not any(parts):
        return
    rows = () if first is None else first.rows
    width = shapes.get(f"W{law.layer}", (0,))[0]
    blocks: dict[str, list[Term]] = {}
    for term in law.terms:
        blocks.setdefault(term.monomial[0].name, []).append(term)
    alike = len(set(rows)) == len(rows) and all(0 <= row < width for row in rows)
    alike &= {(each.matrices, each.rows) if each else None for each in parts} == {
        (first.matrices, rows) if first else None
    }
    for block in blocks.values():
        # What is left of a term without its row is the same in all of an array.
        rest = {
            (
                replace(term.coefficient, component=None),
                replace(term.monomial[0], index=term.monomial[0].index[1:]),
                term.monomial[1:],
            )
            for term in block
        }
        seen = [(one.monomial[0].index[0], one.coefficient.component) for one in block]
        alike &= len(rest) == 1 and [row for row, _ in seen] == list(rows)
        alike &= all(part is not None and part.row == row for row, part in seen)
    columns = {term.monomial[0].index[1:] for term in law.terms}
    if not alike or len(columns) > 1 or any(term.coefficient.entries for term in law.terms):
        raise InputError(
            f"the formula {said!r} has terms that are no product of a null vector and a column: "
            f"{AGAIN}"
        )


def _shapes(dynamics: Dynamics) -> dict[str, tuple[int, ...]]:
    """Return the shapes of what laws are made of: what moves, and what the rule keeps."""
    drawn = kept_matrices(dynamics, np.random.default_rng(0))
    kept = with_products(dynamics, Modular(), drawn)
    return {**dynamics.layout.shapes, **{name: array.shape for name, array in kept.items()}}


def _read(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"there is no file {path}: expected one that flowfa laws --out wrote"
        ) from None
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise InputError(
            f"{path} cannot be read ({reason}): expected a file that flowfa laws --out wrote"
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        document = None
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        raise InputError(f"{path} has no laws: expected a file that flowfa laws --out wrote")
    return document


def _dynamics_of(document: Mapping[str, Any]) -> Dynamics:
    """Return the flow that the laws of a document are of."""
    try:
        rule = RULES.get(document["rule"])(**document["rule_parameters"])
        return Dynamics(
            rule,
            tuple(document["sizes"]),
            stored_activation(document),
            tuple(document["bias"]),
            None,
            document["momentum"],
            tuple(document["weight_decay"]),
            tuple(document["rates"]),
            document["readouts"],
        )
    except KeyError as error:
        raise InputError(f"the laws lack {error}: {AGAIN}") from None
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"the laws have a setting that is none ({error}): {AGAIN}") from None

"""Iterated Lie brackets of fields at a point, by nested dual numbers.

[X, Y] = DY X - DX Y. Brackets that are nested to the right, [X_1, [X_2, ... X_k]], span the Lie
algebra that the fields generate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from theory_checks.laws.arithmetic.jets import Jet

Field = Callable[[Jet], Jet]


def nested_bracket(fields: Sequence[Field], state: Jet) -> Jet:
    """Return [X_1, [X_2, ... X_k]] at a state.

    Parameters
    ----------
    fields : sequence of callable
        X_1, ..., X_k, at least one; each takes jets.
    state : Jet
        (batch, number).
    """
    first, *rest = fields
    if not rest:
        return first(state)
    count = len(state.values)
    inner, change_of_inner = nested_bracket(rest, state.along(first(state), count)).split(count)
    _, change_of_first = first(state.along(inner, count)).split(count)
    return change_of_inner - change_of_first

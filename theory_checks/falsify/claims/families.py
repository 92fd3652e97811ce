"""The shapes of small problems that claims on states are searched over."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from theory_checks.falsify.case import Shape


def family(
    rules: Sequence[str] = ("fa",),
    widths: Sequence[int] = (1, 2, 3),
    dims: Sequence[int] = (1, 2, 3),
    samples: Sequence[int] = (1, 2, 3, 4),
    outputs: Sequence[int] = (1,),
    leaks: Sequence[float] = (0.5, 0.1),
) -> tuple[Shape, ...]:
    """Return two-layer problems of all these kinds, small ones first."""
    shapes = [
        Shape((dim, width, output), n, rule, "exponential" if output == 1 else "squared", leak)
        for dim, width, output, n, rule, leak in product(
            dims, widths, outputs, samples, rules, leaks
        )
    ]
    return tuple(sorted(shapes, key=lambda shape: shape.numbers))

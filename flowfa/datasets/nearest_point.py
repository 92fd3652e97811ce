"""The point of least norm in a convex hull, to many digits (Wolfe 1976)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from typing import Any

import numpy as np

DIGITS = 300
"""Digits of the arithmetic. The Gram matrix of features in units of 1e-8 to 1e8 and samples over
six decades has a condition number of about 1e50; `SINGULAR` is far below its inverse."""

SINGULAR = Decimal("1e-150")
"""A pivot of this share of its diagonal entry is rounding: the points are affinely dependent."""

CLOSE = Decimal("1e-40")
"""Relative difference of the squares of both bounds at which the point counts as found."""

VANISHES = Decimal("1e-200")
"""A squared norm of this share of the largest square counts as zero, which the caller has
to prove."""

NEGLIGIBLE = Decimal("1e-200")
"""A weight up to this is zero but for rounding."""

MOST_STEPS = 500


@dataclass(frozen=True)
class NearestPoint:
    """A convex combination of points, and what it gives.

    Attributes
    ----------
    support : list of int
        The points with a positive weight; they are affinely independent.
    point : numpy.ndarray
        The combination, rounded to float64, (feature,).
    norm : float
        Its norm before it was rounded, rounded up; 0 only if `vanishes`.
    vanishes : bool
        Whether it is zero to about 100 digits.
    """

    support: list[int]
    point: np.ndarray
    norm: float
    vanishes: bool


def nearest_point(points: np.ndarray, start: np.ndarray) -> NearestPoint | None:
    """Return the point of least norm in the hull of `points`; None if it is not found.

    Parameters
    ----------
    points : numpy.ndarray
        (point, feature).
    start : numpy.ndarray
        Weights to begin with, not negative, (point,). They only save time: if they
        cannot be used, the search begins at the point of least norm.
    """
    with localcontext(Context(prec=DIGITS)):
        exact = np.array([[Decimal(x) for x in row] for row in points.tolist()], dtype=object)
        squares = (exact * exact).sum(1)
        support = np.flatnonzero(start).tolist()
        weights = _affine(exact[support])
        if weights is None or min(weights) <= NEGLIGIBLE:
            support, weights = [int(np.argmin(squares))], np.array([Decimal(1)], dtype=object)
        for _ in range(MOST_STEPS):
            point = weights @ exact[support]
            square: Any = point @ point
            vanishes = square <= VANISHES * max(squares)
            heights = exact @ point
            lowest = int(np.argmin(heights))
            if vanishes or heights[lowest] >= square * (1 - CLOSE):
                norm = np.nextafter(float(square.sqrt()), np.inf)
                return NearestPoint(support, point.astype(float), float(norm), bool(vanishes))
            if lowest in support:
                return None
            moved = _shrunk(exact, [*support, lowest], [*weights, Decimal(0)])
            if moved is None:
                return None
            support, weights = moved
    return None


def _shrunk(
    points: Any, support: list[int], weights: Sequence[Decimal]
) -> tuple[list[int], Any] | None:
    """Move from `weights` to the least norm of the affine hull; drop points of weight zero."""
    current = np.array(weights, dtype=object)
    while True:
        target = _affine(points[support])
        if target is None:
            return None
        if min(target) > NEGLIGIBLE:
            return support, target
        blocked = [i for i, share in enumerate(target) if share <= NEGLIGIBLE]
        # A weight that is zero but for rounding lets no step be made, wherever it is to go.
        step = min(
            current[i] / (current[i] - target[i]) if current[i] > NEGLIGIBLE else Decimal(0)
            for i in blocked
        )
        current = current + step * (target - current)
        # The weight that stopped the step is now zero but for rounding.
        leaving = min(blocked, key=lambda i: current[i])
        remaining = [i for i in range(len(support)) if i != leaving]
        support, current = [support[i] for i in remaining], current[remaining]


def _affine(points: Any) -> Any:
    """Return the weights, of sum 1, of the least norm in an affine hull; None if dependent.

    They are proportional to y with (G + c 1 1^T) y = 1, G the Gram matrix and c > 0.
    """
    size = len(points)
    if size == 0:
        return None
    gram = points @ points.T
    system = gram + max(gram.diagonal())
    diagonal = system.diagonal().copy()
    right = np.array([Decimal(1)] * size, dtype=object)
    for k in range(size):
        pivot = system[k, k]
        if pivot <= SINGULAR * diagonal[k]:
            return None
        factor = system[k + 1 :, k] / pivot
        system[k + 1 :, k:] = system[k + 1 :, k:] - np.outer(factor, system[k, k:])
        right[k + 1 :] = right[k + 1 :] - factor * right[k]
    for k in reversed(range(size)):
        right[k] = (right[k] - system[k, k + 1 :] @ right[k + 1 :]) / system[k, k]
    return right / sum(right)

"""The margin of D-3 between two proved bounds, or the statement that it is not known.

A unit vector u proves that ghat >= min_k <u, u_k>, and a convex combination that ghat is at most
its norm. Both come from non-negative least squares in float64, and from many digits where the
bounds do not meet. Neither source is trusted: the bounds are evaluated with `exact.products`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from flowfa.datasets.exact import RELATIVE, products
from flowfa.datasets.nearest_point import nearest_point

GAP = 1e-9
"""Largest duality gap, relative to the upper bound, of a margin that counts as certified."""

CLOSED = 1e-12
"""Relative gap below which no more digits are computed."""

MOST_POINTS, MOST_ENTRIES = 200, 200_000
"""Sizes of a support and of data up to which many digits take only seconds."""

NEGLIGIBLE = 1e-60
"""Share of a weight, or of an entry of a direction, that is left out."""

MOST_RATIONAL = 60
"""Points up to which a vanishing combination is sought in rational numbers."""


@dataclass(frozen=True)
class Margin:
    """What is proved of the margin of a data set.

    Attributes
    ----------
    lower : float
        Attained by `direction`; 0 without one.
    upper : float
        Norm of a convex combination; 0 only if one that vanishes is proved to exist, so that the
        data are not linearly separable.
    direction : numpy.ndarray or None
        The unit vector, (feature,).
    """

    lower: float
    upper: float
    direction: np.ndarray | None

    @property
    def closed(self) -> bool:
        """Whether both bounds meet."""
        return self.upper - self.lower <= CLOSED * self.upper


INSEPARABLE = Margin(0.0, 0.0, None)


def margin_of(signed: np.ndarray) -> Margin:
    """Return bounds of ghat = max over unit u of min_k <u, u_k>, at least 0.

    Parameters
    ----------
    signed : numpy.ndarray
        u_k = y_k x_k, (sample, feature), of sizes that `exact.products` takes.
    """
    if not signed.any(axis=1).all():
        return INSEPARABLE
    features = np.asarray(signed.any(axis=0))
    proved = _margin_of(signed[:, features])
    if proved.direction is None:
        return proved
    direction = np.zeros(len(features))
    direction[features] = proved.direction
    return Margin(proved.lower, proved.upper, direction)


def _margin_of(used: np.ndarray) -> Margin:
    share = _least_squares(used / np.abs(used).max())
    best = _better(_shortest(used), _bounds(used, share, share @ used if share.any() else None))
    if best.closed:
        return best
    # Rescaled features and samples are separable exactly if the data are.
    even, units = _equilibrated(used)
    even_share = _least_squares(even)
    if vanishing_combination(even, even_share):
        return INSEPARABLE
    best = _better(best, _bounds(used, np.zeros(len(used)), (even_share @ even) * units))
    if np.count_nonzero(share) > MOST_POINTS or used.size > MOST_ENTRIES:
        return best
    nearest = nearest_point(used, share if best.direction is not None else even_share)
    if nearest is None:
        return best
    if not nearest.vanishes:
        proved = _bounds(used, np.zeros(len(used)), nearest.point)
        return _better(best, Margin(proved.lower, nearest.norm, proved.direction))
    if _vanishes_exactly(used[nearest.support]):
        return INSEPARABLE
    return best


def vanishing_combination(points: np.ndarray, share: np.ndarray) -> bool:
    """Return whether weights near `share` are proved to make a convex combination that vanishes.

    With v = U p for the points U of positive weight and M near the pseudo-inverse of U, the change
    q = -M (U M)^-1 v of the weights makes it vanish, and abs(q) <= abs(M) 1 max(abs(v)) / (1 - e)
    where e = max row sum of abs(I - U M) < 1. The new weights p + q have to be positive.

    Parameters
    ----------
    points : numpy.ndarray
        (point, feature), of sizes about 1.
    share : numpy.ndarray
        Weights, not negative, (point,).
    """
    support = np.flatnonzero(share)
    if not len(support):
        return False
    weights = share[support]
    U = points[support].T
    residual = np.abs(products(U, weights[None])).max() * (1.0 + RELATIVE)
    if residual == 0.0:
        return True
    if len(support) <= len(U):
        return False
    M = np.linalg.pinv(U)
    rounding = (len(support) + 4) * np.finfo(float).eps
    error = np.abs(np.eye(len(U)) - U @ M) + rounding * (np.abs(U) @ np.abs(M) + 1.0)
    contraction = float(error.sum(axis=1).max()) * (1.0 + 1e-9)
    if contraction >= 1.0:
        return False
    change = np.abs(M).sum(axis=1) * residual / (1.0 - contraction) * (1.0 + 1e-9)
    return bool((change < weights).all())


def _least_squares(points: np.ndarray) -> np.ndarray:
    """Return the weights of the least norm in the hull, to rounding; zeros if none were found.

    min over q >= 0 of ||sum q_k u_k||^2 + (sum q_k - 1)^2 is attained at a multiple of the convex
    combination of least norm (D-3), so non-negative least squares find it.
    """
    from scipy.optimize import nnls

    matrix = np.concatenate([points.T, np.ones((1, len(points)))])
    target = np.eye(len(matrix))[-1]
    try:
        share, _ = nnls(matrix, target, maxiter=50 * max(matrix.shape))
    except RuntimeError:  # Its steps are used up, which says nothing about the data.
        return np.zeros(len(points))
    total = share.sum()
    # Weights too small for `exact.products` are left out; any weights prove a bound.
    return np.where(share > NEGLIGIBLE * total, share, 0.0)


def _bounds(signed: np.ndarray, share: np.ndarray, vector: np.ndarray | None) -> Margin:
    """Return the bounds that weights and a direction prove; weights of zero prove none."""
    upper = np.inf
    if share.any():
        point = products(signed.T, share[None])[:, 0]
        total = products(share[None], np.ones((1, len(share))))[0, 0]
        upper = _norm(point) / float(total) * (1.0 + 2.0 * RELATIVE)
    length = 0.0 if vector is None else _norm(vector)
    if vector is None or length == 0.0:
        return Margin(0.0, upper, None)
    direction = vector / length
    direction = np.where(np.abs(direction) > NEGLIGIBLE, direction, 0.0)
    least = float(products(signed, direction[None]).min())
    if least <= 0.0:
        return Margin(0.0, upper, None)
    norm = float(np.sqrt(products(direction[None], direction[None])[0, 0]))
    return Margin(least / norm * (1.0 - 2.0 * RELATIVE), upper, direction)


def _shortest(signed: np.ndarray) -> Margin:
    """Return the upper bound that the shortest u_k proves."""
    norms = [_norm(u) for u in signed]
    return Margin(0.0, min(norms) * (1.0 + 2.0 * RELATIVE), None)


def _norm(vector: np.ndarray) -> float:
    """Return the norm of a vector whose squares may not fit into float64."""
    greatest = float(np.abs(vector).max())
    return greatest * float(np.linalg.norm(vector / greatest)) if greatest else 0.0


def _better(first: Margin, second: Margin) -> Margin:
    best = max(first, second, key=lambda margin: margin.lower)
    return Margin(best.lower, min(first.upper, second.upper), best.direction)


def _equilibrated(signed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return c_k u_k / s with powers of two c and s that make sizes about 1, and 1/s."""
    even, units = signed, np.zeros(signed.shape[1], dtype=int)
    for _ in range(3):
        rows = -np.frexp(np.abs(even).max(axis=1))[1]
        even = np.ldexp(even, rows[:, None])
        columns = -np.frexp(np.abs(even).max(axis=0))[1]
        even, units = np.ldexp(even, columns), units + columns
    return even, np.ldexp(1.0, units)


def _vanishes_exactly(points: np.ndarray) -> bool:
    """Return whether a combination of all these points, with positive weights, is exactly zero.

    They are affinely independent, so that no two such combinations can differ.
    """
    if len(points) > MOST_RATIONAL:
        return False
    rows = [[Fraction(x) for x in row] for row in points.T.tolist()]
    last = len(points) - 1
    for column in range(last + 1):
        pivot_row = next((i for i in range(column, len(rows)) if rows[i][column]), None)
        if pivot_row is None:
            # The first column without a pivot: its point is a combination of those before it.
            return column == last and all(row[last] < 0 for row in rows[:last])
        rows[column], rows[pivot_row] = rows[pivot_row], rows[column]
        pivot = rows[column][column]
        rows[column] = [x / pivot for x in rows[column]]
        for i, row in enumerate(rows):
            if i != column and row[column]:
                pairs = zip(row, rows[column], strict=True)
                rows[i] = [x - row[column] * y for x, y in pairs]
    return False

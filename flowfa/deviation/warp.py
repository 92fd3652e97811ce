"""The distance to the flow's curve, whatever the time: slower on the same path, or another path."""

from __future__ import annotations

import numpy as np


def time_warped(
    points: np.ndarray, curve: np.ndarray, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Match points to a curve in order, so that the sum of squared distances is least.

    The curve is the polygon through the flow's states. Each point is matched with its nearest
    point on one of the segments; the segments must not go back (dynamic programming over them).

    Parameters
    ----------
    points : numpy.ndarray
        States of the steps, (point, parameter); rows whose squares are not finite stay unmatched,
        as all after them.
    curve : numpy.ndarray
        States of the flow, (time, parameter).
    times : numpy.ndarray
        The times of the states, increasing, (time,).

    Returns
    -------
    distance : numpy.ndarray
        To the matched point, (point,); NaN where unmatched.
    matched : numpy.ndarray
        The flow's time there, (point,).
    """
    matches = np.full(len(points), np.nan), np.full(len(points), np.nan)
    with np.errstate(over="ignore"):
        # A diverging state has no distance once its square overflows.
        good = np.isfinite(np.square(points).sum(1)).cumprod().astype(bool)
    known = np.isfinite(curve).all(1).cumprod().astype(bool)
    if not good.any() or known.sum() < 2:
        return matches
    count = int(good.sum())
    # Differences to the start keep the digits that a product of whole states would lose.
    a, c = points[:count] - curve[0], curve[known] - curve[0]
    leg = np.diff(c, axis=0)
    length2 = np.square(leg).sum(1)
    along = a @ leg.T - np.einsum("sp,sp->s", c[:-1], leg)
    share = (along / np.where(length2 > 0.0, length2, 1.0)).clip(0.0, 1.0)
    # ||a - c - share leg||^2, multiplied out.
    to_corner = np.square(a).sum(1)[:, None] - 2.0 * a @ c[:-1].T + np.square(c[:-1]).sum(1)
    cost = (to_corner - 2.0 * share * along + share**2 * length2).clip(0.0)
    total = cost[0]
    origin = np.zeros(cost.shape, dtype=np.int64)
    for point in range(1, count):
        best, origin[point] = _running_minimum(total)
        total = best + cost[point]
    segment = np.empty(count, dtype=np.int64)
    segment[-1] = int(total.argmin())
    for point in range(count - 1, 0, -1):
        segment[point - 1] = origin[point, segment[point]]
    rows = np.arange(count)
    fraction = share[rows, segment]
    ends = times[known]
    nearest = c[segment] + fraction[:, None] * leg[segment]
    matches[0][:count] = np.linalg.norm(a - nearest, axis=1)
    matches[1][:count] = ends[segment] + fraction * (ends[segment + 1] - ends[segment])
    return matches


def _running_minimum(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the least value up to each place, and where it is."""
    least = np.minimum.accumulate(values)
    is_new = np.append(True, values[1:] < least[:-1])
    return least, np.maximum.accumulate(np.where(is_new, np.arange(len(values)), 0))

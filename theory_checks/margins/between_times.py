"""Bounds between the times of the mesh.

On each interval [a, b] of the mesh with midpoint m the values and rates of q at the three times
give two cubic Hermite polynomials, whose extremes are found in closed form. How far q may be from
them is estimated from the one cubic of [a, b]: what it got wrong at m, in value and rate. That is
a bound if q is a cubic plus one kink (a jump of its rate), wherever in the interval the kink is;
for other q it is an estimate, which falls with the fourth power of the interval where q is smooth.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Extremes:
    """Least and greatest value on each interval, (trajectory, interval, item).

    Attributes
    ----------
    least, greatest : Tensor
        The extremes of the Hermite polynomials.
    least_time, greatest_time : Tensor
    remainder : Tensor
        How far q may lie beyond the extremes of the polynomials.
    """

    least: Tensor
    greatest: Tensor
    least_time: Tensor
    greatest_time: Tensor
    remainder: Tensor


def extremes(times: Tensor, values: Tensor, rates: Tensor) -> Extremes:
    """Return the extremes of a quantity on each interval of the mesh.

    Parameters
    ----------
    times : Tensor
        (time,) of odd length; times of odd index are midpoints of their neighbours.
    values, rates : Tensor
        (trajectory, time, item).
    """
    length = (times[2::2] - times[:-2:2])[:, None]
    a, m, b = values[:, :-2:2], values[:, 1::2], values[:, 2::2]
    rate_a, rate_m, rate_b = rates[:, :-2:2], rates[:, 1::2], rates[:, 2::2]
    wrong_value = (m - (a + b) / 2.0 - length * (rate_a - rate_b) / 8.0).abs()
    wrong_rate = (rate_m - 1.5 * (b - a) / length + (rate_a + rate_b) / 4.0).abs()
    first = _cubic(a, m, rate_a * length / 2.0, rate_m * length / 2.0)
    second = _cubic(m, b, rate_m * length / 2.0, rate_b * length / 2.0)
    candidates = torch.stack([*(part[0] for part in first), *(part[0] for part in second)])
    places = torch.stack(
        [*(part[1] / 2.0 for part in first), *(0.5 + part[1] / 2.0 for part in second)]
    )
    least, least_index = candidates.min(0, keepdim=True)
    greatest, greatest_index = candidates.max(0, keepdim=True)
    start = times[:-2:2][:, None]
    return Extremes(
        least[0],
        greatest[0],
        start + length * places.gather(0, least_index)[0],
        start + length * places.gather(0, greatest_index)[0],
        2.0 * wrong_value + length / 2.0 * wrong_rate,
    )


def least_with_jumps(times: Tensor, values: Tensor, rates: Tensor) -> tuple[Tensor, Tensor]:
    """Return the least value on each interval of a quantity that may jump, and the remainder.

    A product of slopes jumps where a preactivation changes sign. Polynomials through the two sides
    of a jump say nothing of it; on each side q is what its rate at the nearest time says, to first
    order. Of that and of `extremes` the one with the higher bound counts.

    Parameters
    ----------
    times : Tensor
        As `extremes`.
    values, rates : Tensor
        (trajectory, time, item).
    """
    between = extremes(times, values, rates)
    half = (times[2::2] - times[:-2:2])[:, None] / 2.0
    least, steepest = (
        torch.stack([quantity[:, :-2:2], quantity[:, 1::2], quantity[:, 2::2]])
        for quantity in (values, rates.abs())
    )
    least, moved = least.amin(0), half * steepest.amax(0)
    jumps = least - moved > between.least - between.remainder
    return torch.where(jumps, least, between.least), torch.where(jumps, moved, between.remainder)


def _cubic(
    left: Tensor, right: Tensor, rate_left: Tensor, rate_right: Tensor
) -> list[tuple[Tensor, Tensor]]:
    """Return values and places in [0, 1] among which a cubic has its extremes."""
    # p(s) = left + rate_left s + c s^2 + d s^3
    rise = right - left
    c = 3.0 * rise - 2.0 * rate_left - rate_right
    d = rate_left + rate_right - 2.0 * rise
    zero, one = torch.zeros_like(left), torch.ones_like(left)
    candidates = [(left, zero), (right, one)]
    # p' = rate_left + 2 c s + 3 d s^2; the larger root first, so that nothing cancels.
    root = (c.square() - 3.0 * d * rate_left).clamp_min(0.0).sqrt()
    big = -(c + torch.where(c >= 0.0, root, -root))
    for point in (big / (3.0 * d), rate_left / big):
        s = point.nan_to_num(0.0, 0.0, 0.0).clamp(0.0, 1.0)
        candidates.append((left + s * (rate_left + s * (c + s * d)), s))
    return candidates

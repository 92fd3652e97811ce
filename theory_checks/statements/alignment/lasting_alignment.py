"""Estimates of A-1: the largest c that a cosine keeps from some time on, and from which."""

from __future__ import annotations

import torch
from torch import Tensor

from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.networks import Quantity
from theory_checks.margins.between_times import extremes
from theory_checks.margins.measurement import Estimate, Item
from theory_checks.statements.alignment.cosines import no_angle

LATEST = 0.5
"""Share of the window in which T_c is sought: the later T_c may be, the fewer times support c."""


def lasting(
    evidence: Evidence,
    cosine: Quantity,
    size: Quantity,
    items: tuple[Item, ...],
    speaks_of: Tensor,
) -> tuple[Estimate, ...]:
    """Return, of each item, the least cosine, the largest c with T_c <= half the window, and T_c.

    Parameters
    ----------
    evidence : Evidence
    cosine, size : callable
        The cosine, and the product of norms that vanishes where there is no angle, (row, item).
    items : tuple of Item
    speaks_of : Tensor
        (trajectory, item), bool.
    """
    course = evidence.along(cosine)
    between = extremes(evidence.times, course.values, course.rates)
    angle = ~no_angle(evidence, evidence.along(size).values)
    counts = evidence.valid[:, :, None] & speaks_of[:, None] & angle
    error = (course.values - course.coarser).abs().cummax(1).values[:, 2::2]
    window = torch.minimum(evidence.reached, evidence.times[-1])
    late = counts & (evidence.times[:-2:2] >= LATEST * window[:, None])[:, :, None]
    least, least_off, when = _least(
        between.least, between.remainder + error, between.least_time, counts
    )
    c, c_off, c_when = _least(between.least, between.remainder + error, between.least_time, late)
    # The level is c less its error, so that noise does not decide where c is the least value.
    level = c - c_off
    since = _since(evidence, course.values, level, counts)
    moved = (since - _since(evidence, course.coarser, level, counts)).abs()
    spacing = (evidence.times[1:] - evidence.times[:-1]).amax()
    since_off = torch.where(since > 0.0, spacing + moved, moved)
    result = []
    for column, item in enumerate(items):
        result += [
            Estimate.of(
                evidence,
                "least",
                "the least cosine of weights and feedback: c for T_c = 0",
                least[:, column],
                least_off[:, column],
                when[:, column],
                item,
            ),
            Estimate.of(
                evidence,
                "c",
                "the largest c that the cosine keeps from some T_c in the first half on",
                c[:, column],
                c_off[:, column],
                c_when[:, column],
                item,
            ),
            Estimate.of(
                evidence,
                "T_c",
                "the time from which the cosine keeps c; none if c <= 0",
                since[:, column],
                since_off[:, column],
                since[:, column],
                item,
            ),
        ]
    return tuple(result)


def _least(
    values: Tensor, off: Tensor, times: Tensor, counts: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the least value, how far it may be off, and its time, (trajectory, item)."""
    # `min` returns what is not a number, so that it is not overlooked.
    shown = torch.where(counts, values, torch.inf)
    least, index = shown.min(1, keepdim=True)
    lowest = torch.where(counts, values - off, torch.inf).amin(1, keepdim=True)
    none = ~counts.any(1, keepdim=True)
    uncertain = torch.maximum(least - lowest, off.gather(1, index))
    shown = torch.stack([least, uncertain, times.gather(1, index)])
    least, uncertain, when = shown.masked_fill(none, torch.nan).squeeze(2)
    return least, uncertain, when


def _since(evidence: Evidence, values: Tensor, c: Tensor, counts: Tensor) -> Tensor:
    """Return when the values rise above c for good, (trajectory, item); 0 if they always were."""
    times = evidence.times
    known = torch.zeros_like(values, dtype=torch.bool)
    known[:, 1::2] = counts
    known[:, 2::2] = counts
    known[:, :-2:2] |= counts
    below = known & (values < c[:, None])
    # From the last time below to the next, on a straight line.
    last = torch.where(below, torch.arange(len(times))[:, None], -1).amax(1, keepdim=True)
    start = last.clamp(0, len(times) - 2)
    left, right = values.gather(1, start), values.gather(1, start + 1)
    share = ((c[:, None] - left) / (right - left)).clamp(0.0, 1.0)
    crossed = times[start] + share * (times[start + 1] - times[start])
    since = torch.where(last < 0, 0.0, crossed).squeeze(1)
    return torch.where(c > 0.0, since, torch.nan)

"""The gamma of A-2 that fits a run: how <grad Loss, G> scales with Loss - Loss* in the end."""

from __future__ import annotations

import torch
from torch import Tensor

from theory_checks.evidence.evidence import Evidence
from theory_checks.margins.measurement import Estimate
from theory_checks.statements.convergence.excess_loss import Measured

FEWEST = 8
"""Times that a slope is fitted to."""
LEAST_FALL = 2.0
"""The factor by which e has to fall for there to be a slope."""


def fitted_gamma(evidence: Evidence, along: Measured) -> Estimate:
    """Return the slope of log <grad Loss, G> against log e by least squares over the late part.

    The late part begins where log e has made half of its way from its first to its last value. The
    uncertainty is the difference of the two rungs, and that of the slopes of the two halves
    of the late part, by log e. None if e falls by less than a half.
    """
    excess, product, known = along.excess, along.product, along.known
    fine, off = _slope(excess.values.squeeze(2), product.values.squeeze(2), known)
    coarse, _ = _slope(excess.coarser.squeeze(2), product.coarser.squeeze(2), known)
    return Estimate.of(
        evidence,
        "gamma",
        "the slope of log <grad Loss, G> over log (Loss - Loss*) in the later half of its fall",
        fine,
        off + (fine - coarse).abs(),
        torch.full_like(fine, torch.nan),
    )


def _slope(excess: Tensor, product: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Return the slope of each row, and how much it differs between two halves."""
    known = known & (excess > 0.0) & (product > 0.0)
    x = torch.where(known, excess, 1.0).log()
    y = torch.where(known, product, 1.0).log()
    index = torch.arange(x.shape[1]).expand_as(x)
    last = torch.where(known, index, -1).amax(1, keepdim=True).clamp_min(0)
    start, end = x[:, :1], x.gather(1, last)
    late = known & (x <= (start + end) / 2.0)
    # From the first such time on, though e may rise again.
    late = known & (late.cumsum(1) > 0)
    middle = (torch.where(late, x, 0.0).sum(1) / late.sum(1))[:, None]
    slope = _least_squares(x, y, late)
    spread = _least_squares(x, y, late & (x > middle)) - _least_squares(x, y, late & (x <= middle))
    enough = (late.sum(1) >= FEWEST) & ((start - end).squeeze(1).exp() >= LEAST_FALL)
    return torch.where(enough, slope, torch.nan), spread.abs()


def _least_squares(x: Tensor, y: Tensor, where: Tensor) -> Tensor:
    """Return the slope of y over x, (row,)."""
    count = where.sum(1, keepdim=True)
    dx = torch.where(where, x - (where * x).sum(1, keepdim=True) / count, 0.0)
    dy = torch.where(where, y - (where * y).sum(1, keepdim=True) / count, 0.0)
    return (dx * dy).sum(1) / dx.square().sum(1)

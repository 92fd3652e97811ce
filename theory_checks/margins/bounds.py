"""From a quantity along the trajectories to margins: of inequalities and of equalities."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from theory_checks.evidence.evidence import ROUNDING, Evidence
from theory_checks.evidence.networks import Quantity
from theory_checks.margins.between_times import Extremes, extremes, least_with_jumps
from theory_checks.margins.measurement import Item, Measurement

NEGLIGIBLE = 1e-9
"""Share of a law's terms below which a drift is rounding, which breaks no law."""
LAST_DIGITS = 8.0 * torch.finfo(torch.float64).eps
"""Share of a quantity by which two roundings of it differ where none of its terms moved."""
SAFETY = 2.0
"""Factor from the difference between two rungs to the drift that the finer one may have."""
RESOLVED = 0.1
"""Largest error of the integrator for a law to hold, as a share of what its terms moved."""


def never_negative(
    evidence: Evidence,
    quantity: Quantity,
    items: tuple[Item, ...],
    *,
    scale: Quantity | None = None,
    speaks_of: Tensor | None = None,
    least: Tensor | None = None,
    attained: bool = False,
    jumps: bool = False,
) -> Measurement:
    """Measure the statement q >= 0, or q >= least, at all times.

    The margin is the least q on each interval, on the finest rung. Its uncertainty is the largest
    difference to the next coarser rung up to then, which exceeds the error where rungs converge,
    and rounding.

    Parameters
    ----------
    evidence : Evidence
    quantity : callable
        q, (row, item).
    items : tuple of Item
        What the columns of q are.
    scale : callable, optional
        The size of the terms that q is the difference of, (row, item): rounding is a share of it.
        By default that of q itself.
    speaks_of : Tensor, optional
        Of which items the statement speaks, (trajectory, item) bool; all by default.
    least : Tensor, optional
        What q is at least, (trajectory, item); zero by default.
    attained : bool
        Whether equality is within the statement and to be expected, as in a sharp inequality: see
        `nonstrict`.
    jumps : bool
        Whether q may jump: see `theory_checks.margins.between_times.least_with_jumps`.
    """
    course = evidence.along(quantity)
    size = (course.values if scale is None else evidence.values(scale)).abs()
    values = course.values
    if least is not None:
        values, size = values - least[:, None], size + least.abs()[:, None]
    between = extremes(evidence.times, values, course.rates)
    if jumps:
        lowest, missed = least_with_jumps(evidence.times, values, course.rates)
        between = replace(between, least=lowest, remainder=missed)
    error = _so_far((course.values - course.coarser).abs()) + ROUNDING * _so_far(size)
    margin, uncertainty, remainder = between.least, error[:, 2::2], between.remainder
    if attained:
        margin, uncertainty, remainder = nonstrict(values, between, error, size)
    return Measurement(
        margin=margin,
        uncertainty=uncertainty,
        remainder=remainder,
        time=between.least_time,
        valid=_valid(evidence, items, speaks_of),
        items=items,
    )


def nonstrict(
    values: Tensor, between: Extremes, error: Tensor, size: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return margin, uncertainty and remainder of q >= 0 where q = 0 is to be expected.

    No computed q stays on the right side of zero then. With E the error of q so far, the statement
    holds if q > -E at the times of the mesh, and between them if the polynomials are no further
    below than what they may have missed; it is violated if q < -3 E beyond that. The margin is q
    and twice these errors, its uncertainty the errors. For the statement to hold E must also be
    less than `RESOLVED` of the terms of q at each time, and E and what may have been missed between
    the times less than that of the terms there: where all terms vanish at a time, as in a network
    of zeros at its start, nothing can be wrong with them at that time.

    Parameters
    ----------
    values, error, size : Tensor
        q, E and the size of the terms, (trajectory, time, item).
    between : Extremes
        Of q.
    """
    tiny = torch.finfo(values.dtype).tiny
    allowed_then, limit = error + tiny, RESOLVED * size.abs() + tiny
    low = values <= -allowed_then
    faint = allowed_then > limit
    allowed = allowed_then[:, 2::2]
    most = _nodes(limit).amax(0)
    # Nothing was missed at the times of the mesh, so no remainder excuses what is seen there.
    fine = ~_nodes(low).any(0) & (between.least > -allowed - between.remainder)
    margin = between.least + 2.0 * (allowed + torch.where(fine, between.remainder, 0.0))
    blurred = fine & (_nodes(faint).any(0) | (allowed > most))
    unseen = fine & (allowed + between.remainder > most)
    uncertainty = torch.where(blurred, torch.maximum(margin, allowed), allowed)
    remainder = torch.where(unseen, torch.maximum(margin, between.remainder), between.remainder)
    return margin, uncertainty, remainder


def constant(
    evidence: Evidence,
    law: Quantity,
    turnover: Quantity,
    items: tuple[Item, ...],
    *,
    size: Quantity | None = None,
    speaks_of: Tensor | None = None,
    note: str = "",
) -> tuple[Measurement, ...]:
    """Measure the statement that a quantity C is constant.

    A computed C always drifts a little. The integrator explains a drift of E, `SAFETY` times the
    largest difference, at any time and among the items of the layer, between the drifts on the
    finest rung and on the next coarser one, and at least `NEGLIGIBLE` of the law's terms and the
    `LAST_DIGITS` of C: terms far below C move where C has no digits. On the
    finest rung the drift should then be below E. The margin is ``2 E - abs(drift)`` and its
    uncertainty E: a drift below E holds, one above 3 E is a violation. For the law to hold E
    must also be less than `RESOLVED` of what its terms moved: a law whose terms the integrator
    gets wrong has not been tested.

    The weights in the file, if there is one, are measured in the same way, with the difference
    between the run's own rung and the finest one (or the next coarser, if it is the finest).

    Parameters
    ----------
    evidence : Evidence
    law : callable
        C, (row, item).
    turnover : callable
        The terms that balance in C, (row, item): how much they move is what E is compared with.
    size : callable, optional
        How large the terms of C are, (row, item); those of `turnover` by default.
    items : tuple of Item
    speaks_of : Tensor, optional
        Of which items there is a law, (trajectory, item) bool; all by default.
    note : str
        What tells this measurement from others of the same check.
    """
    speaks_of = _all(evidence, items) if speaks_of is None else speaks_of
    course = evidence.along(law)
    terms = evidence.values(turnover)
    group = torch.tensor([item.layer or 0 for item in items])

    def of_layer(values: Tensor) -> Tensor:
        """Return the largest value in the layer at any time; NaN where there is none."""
        known = values.masked_fill(~speaks_of[:, None], 0.0).nan_to_num(0.0)
        result = torch.zeros_like(values)
        for layer in group.unique():
            in_layer = group == layer
            result[:, :, in_layer] = known[:, :, in_layer].amax((1, 2), keepdim=True)
        return torch.where(values.isnan(), values, result)

    sizes = terms if size is None else evidence.values(size)
    # The smallest number lets a law hold whose terms are all zero, so that nothing drifts.
    negligible = NEGLIGIBLE * of_layer(sizes.abs()) + LAST_DIGITS * of_layer(course.values.abs())
    negligible = negligible + torch.finfo(sizes.dtype).tiny
    drift, coarser, on_run_rung = (
        values - values[:, :1] for values in (course.values, course.coarser, course.on_run_rung)
    )
    error = SAFETY * of_layer((drift - coarser).abs())
    moved = of_layer((terms - terms[:, :1]).abs().nan_to_num(0.0))
    allowed = error + negligible
    between = extremes(evidence.times, drift, course.rates)
    up = between.greatest.abs() > between.least.abs()
    worst = torch.maximum(between.greatest.abs(), between.least.abs())
    margin, uncertainty = _equality(
        worst, allowed[:, 2::2], (error > RESOLVED * moved + negligible)[:, 2::2]
    )
    dense = Measurement(
        margin,
        uncertainty,
        between.remainder,
        torch.where(up, between.greatest_time, between.least_time),
        _valid(evidence, items, speaks_of),
        items,
        note,
    )
    if evidence.record is None:
        return (dense,)
    other = coarser if evidence.run_rung == len(evidence.rungs) - 1 else drift
    error = SAFETY * of_layer((other - on_run_rung).abs())
    rounding = evidence.record.rounding
    negligible = max(NEGLIGIBLE, rounding) * of_layer(sizes.abs())
    negligible = negligible + LAST_DIGITS * rounding / ROUNDING * of_layer(course.on_run_rung.abs())
    return dense, _recorded(
        evidence, law, error + negligible, error > RESOLVED * moved + negligible, speaks_of, items
    )


def _recorded(
    evidence: Evidence,
    law: Quantity,
    allowed: Tensor,
    unresolved: Tensor,
    speaks_of: Tensor,
    items: tuple[Item, ...],
) -> Measurement:
    """Measure the drift of the weights in the file."""
    assert evidence.record is not None
    when = evidence.record.snapshot_time
    values = evidence.in_record(law)
    drift = (values - values[:, :1]).abs()
    index = torch.searchsorted(evidence.times, when.nan_to_num(0.0).contiguous(), right=True) - 1
    index = index[:, :, None].expand(-1, -1, len(items))
    margin, uncertainty = _equality(drift, allowed.gather(1, index), unresolved.gather(1, index))
    return Measurement(
        margin,
        uncertainty,
        torch.zeros_like(margin),
        when[:, :, None].expand_as(margin),
        when.isfinite()[:, :, None] & speaks_of[:, None],
        items,
        note="weights in the file",
    )


def _equality(drift: Tensor, allowed: Tensor, unresolved: Tensor) -> tuple[Tensor, Tensor]:
    """Return margin and uncertainty of the statement that there is no drift; see `constant`."""
    margin = 2.0 * allowed - drift
    return margin, torch.where(unresolved & (margin > 0.0), 2.0 * allowed, allowed)


def _nodes(values: Tensor) -> Tensor:
    """Return what is at the start, middle and end of each interval, stacked."""
    return torch.stack([values[:, :-2:2], values[:, 1::2], values[:, 2::2]])


def _so_far(values: Tensor) -> Tensor:
    """Return the largest value up to each time, (trajectory, time, item); NaN stays from there."""
    return values.cummax(1).values


def _all(evidence: Evidence, items: tuple[Item, ...]) -> Tensor:
    return torch.ones(len(evidence), len(items), dtype=torch.bool)


def _valid(evidence: Evidence, items: tuple[Item, ...], speaks_of: Tensor | None) -> Tensor:
    speaks_of = _all(evidence, items) if speaks_of is None else speaks_of
    return evidence.valid[:, :, None] & speaks_of[:, None]

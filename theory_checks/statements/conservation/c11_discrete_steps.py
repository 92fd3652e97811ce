"""C-11: a discrete step changes what the flow conserves by second-order terms alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from flowfa.flow.field import NetworkField
from flowfa.training import law as increments
from theory_checks.controls.control import Control
from theory_checks.controls.steps import changed_file, moved_otherwise
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.networks import Networks
from theory_checks.evidence.steps import with_threads
from theory_checks.margins.bounds import RESOLVED
from theory_checks.margins.measurement import Hypothesis, Measurement
from theory_checks.statements.activations import of_degree_one
from theory_checks.statements.conservation.laws import neuron_law, neurons, with_law
from theory_checks.statements.statement import register

ROUNDINGS = 32.0
ROUNDINGS_PER_STEP = 1.0
"""Units of rounding of the terms of C by which the sum of steps may be off: at first, per step."""
AMPLIFICATION = 100.0
"""Factor from the effect of a change in the last digit to that of rounding on another machine."""


@register
class StepConservation:
    """C(t+1) - C(t) is what `flowfa.training.law` says, at every step."""

    spec: ClassVar[str] = "C-11"
    of_training: ClassVar[bool] = True
    statement: ClassVar[str] = (
        "a discrete step changes each neuron's C by its second-order terms exactly, "
        "eta^2/2 ||U||^2 under fa"
    )
    reading: ClassVar[str] = (
        "margin = 2 x uncertainty - difference between the change of C since the start and the sum "
        "of the predicted steps; uncertainty: the rounding of the terms of C"
    )

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume degree 1 and a rule with a law; momentum, decay, minibatch are in the formula."""
        in_form = [
            group.rule.in_form
            for group in evidence.field.groups
            for _ in range(group.start, group.stop)
        ]
        text = "the feedback has the form a W^T + B + M * sign(W)^T"
        return (of_degree_one(evidence), Hypothesis.of("rule", text, torch.tensor(in_form)))

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return how much room the difference leaves, at all steps and in the file."""
        assert evidence.training is not None
        with with_threads(evidence.training.threads), torch.no_grad():
            walk = _walk(evidence, evidence.initial[evidence.rows])
            measurements = (_at_all_steps(evidence, walk),)
            return (
                measurements
                if evidence.record is None
                else (*measurements, _in_file(evidence, walk))
            )

    def controls(self) -> Mapping[str, Control]:
        """Return training that is not what it claims, and a file that was changed."""
        return {
            "twice the rate": moved_otherwise("fa", rate=0.4),
            "momentum that is not told": moved_otherwise("fa", momentum=0.5),
            "momentum that is told wrongly": moved_otherwise("signfa", told=0.5, momentum=0.6),
            "weight decay that is not told": moved_otherwise("adafa", weight_decay=0.01),
            "other minibatches": moved_otherwise("gd", batch_size=2),
            "weights changed in the file": changed_file("W2"),
            "feedback changed in the file": changed_file("B2"),
        }


@dataclass(frozen=True)
class _Walk:
    """What the steps add to C, as predicted and as computed.

    Attributes
    ----------
    error, allowed, time : Tensor
        The difference that is the largest share of what rounding allows, among the steps
        between two saves, and its training time, (row, interval, item).
    predicted, limit : Tensor
        The sum of predicted steps and what rounding allows, at the saves and, in the last
        column, at the last good step, (row, save + 1, item).
    law : Tensor
        C there.
    deviation : Tensor
        The largest predicted sum among the neurons of the layer, at any step, (row, item).
    """

    error: Tensor
    allowed: Tensor
    time: Tensor
    predicted: Tensor
    limit: Tensor
    law: Tensor
    deviation: Tensor


def _walk(evidence: Evidence, state: Tensor) -> _Walk:
    """Take the steps from `state`, and compare C with the prediction after each."""
    training, rows, field = evidence.training, evidence.rows, evidence.field
    assert training is not None
    claimed, actual = training.claimed.select(rows), training.actual.select(rows)
    as_claimed = training.claimed is training.actual and evidence.motion is evidence.flow.field
    moving = evidence.motion.select(rows)
    assert isinstance(moving, NetworkField)
    saves, done = training.steps[rows], training.done[rows]
    layer_of = torch.tensor([item.layer or 0 for item in neurons(evidence)])
    here = increments.terms(field, state)
    start, size = here.law, here.size
    shape = (len(rows), saves.shape[1] - 1, start.shape[1])
    error, time = start.new_zeros(shape), start.new_zeros(shape)
    allowed = start.new_ones(shape)
    predicted, lost, deviation = (torch.zeros_like(start) for _ in range(3))
    limit = _limit(size, layer_of, 0, state)
    columns = start.new_full((3, len(rows), saves.shape[1] + 1, start.shape[1]), torch.nan)
    columns[:, :, 0] = torch.stack([predicted, limit, start])
    carried = velocity = told = None
    everyone = torch.arange(len(rows))
    for step in range(int(done.max())):
        stride = actual.stride(moving, step, state, velocity)
        telling = stride if as_claimed else claimed.stride(field, step, state, told)
        after = increments.terms(field, stride.after)
        change, carried = increments.change(
            field, claimed, step, here, after, telling.increment, carried
        )
        # Compensated (Neumaier), so that a thousand steps lose no more than one.
        total = predicted + change
        larger = predicted.abs() >= change.abs()
        lost = lost + torch.where(
            larger, (predicted - total) + change, (change - total) + predicted
        )
        predicted, here = total, after
        state, velocity, told = stride.after, stride.velocity, telling.velocity
        moved = increments.incoming_squares(field.layout, telling.increment) / here.rate_in
        size = torch.maximum(size, after.size + moved)
        limit = _limit(size, layer_of, step + 1, state)
        summed = predicted + lost
        # Weights may be finite where their squares are not; such a step says nothing.
        alive = (step < done)[:, None] & limit.isfinite()
        largest = torch.maximum(deviation, _of_layer(summed.abs(), layer_of))
        deviation = torch.where(alive, largest, deviation)
        wrong = ((after.law - start) - summed).abs()
        if step == 0:
            # The prediction rests on the rule's own form: C by the table is written apart from it.
            apart = (_by_table(evidence, stride.after) - after.law).abs()
            wrong = torch.where(apart > limit, torch.maximum(wrong, apart), wrong)
        interval = (saves < step + 1).sum(1).clamp(max=shape[1]) - 1
        index = (everyone, interval)
        worse = alive & ~(wrong * allowed[index] <= error[index] * limit)
        error[index] = torch.where(worse, wrong, error[index])
        allowed[index] = torch.where(worse, limit, allowed[index])
        unit = float(claimed.schedule.times(1.0, np.array([step + 1]))[0])
        now = (claimed.rate.double() * unit)[:, None].expand_as(wrong)
        time[index] = torch.where(worse, now, time[index])
        for column, there in (
            (interval + 1, saves[everyone, interval + 1] == step + 1),
            (torch.full_like(interval, saves.shape[1]), done == step + 1),
        ):
            kept = columns[:, everyone, column]
            new = torch.stack([summed, limit, after.law])
            columns[:, everyone, column] = torch.where(there[:, None] & alive, new, kept)
    return _Walk(error, allowed, time, columns[0], columns[1], columns[2], deviation)


def _by_table(evidence: Evidence, state: Tensor) -> Tensor:
    """Return C by the table of C-1, gd's halved, of states (row, parameter)."""
    zero = torch.zeros_like(evidence.flow.span.outside_norm2[evidence.rows]).double()
    networks = Networks(evidence.field, state.double(), zero, zero[:, 0])
    groups = evidence.field.groups
    units = [torch.full((g.stop - g.start,), g.rule.conserved_unit).double() for g in groups]
    return neuron_law(networks) / torch.cat(units)[:, None]


def _limit(size: Tensor, layer_of: Tensor, steps: int, state: Tensor) -> Tensor:
    """Return what rounding may have done after some steps, (row, item)."""
    units = ROUNDINGS + ROUNDINGS_PER_STEP * steps
    return units * torch.finfo(state.dtype).eps * _of_layer(size, layer_of)


def _of_layer(values: Tensor, layer_of: Tensor) -> Tensor:
    """Return the largest value in the layer of each neuron, NaN left out, (row, item)."""
    result = torch.empty_like(values)
    known = values.nan_to_num(0.0, torch.inf)
    for layer in layer_of.unique():
        in_layer = layer_of == layer
        result[:, in_layer] = known[:, in_layer].amax(1, keepdim=True)
    return result


def _equality(error: Tensor, allowed: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Return margin and uncertainty of the statement that there is no error.

    It is open where rounding is no small share of what the prediction adds up to in the end.
    """
    margin = 2.0 * allowed - error
    unresolved = allowed > RESOLVED * deviation[:, None]
    return margin, torch.where(unresolved & (margin > 0.0), 2.0 * allowed, allowed)


def _at_all_steps(evidence: Evidence, walk: _Walk) -> Measurement:
    margin, uncertainty = _equality(walk.error, walk.allowed, walk.deviation)
    return Measurement(
        margin,
        uncertainty,
        torch.zeros_like(margin),
        walk.time,
        (walk.time > 0.0) & with_law(evidence)[:, None],
        neurons(evidence),
    )


def _in_file(evidence: Evidence, walk: _Walk) -> Measurement:
    """Compare the weights in the file with the predicted steps up to each snapshot."""
    record, training = evidence.record, evidence.training
    assert record is not None and training is not None
    shape = record.states.shape[:2]
    rows = torch.arange(shape[0]).repeat_interleave(shape[1])
    stored = increments.terms(evidence.field.select(rows), record.states.flatten(0, 1))
    law = stored.law.unflatten(0, shape)
    column = _columns(evidence, record.snapshot_time)[:, :, None].expand_as(law)
    predicted, limit = (values.gather(1, column) for values in (walk.predicted, walk.limit))
    error = ((law - law[:, :1]) - predicted).abs()
    if bool((error > limit).any()):
        # Not the same bits: another machine, another number of threads, or other weights. Rounding
        # explains as much as a change of the start in its last digit does.
        start = evidence.initial[evidence.rows]
        noise = 4.0 * torch.finfo(start.dtype).eps
        signs = torch.where(torch.arange(start.shape[1]) % 2 == 0, 1.0, -1.0).to(start)
        other = _walk(evidence, start * (1.0 + noise * signs))
        effect = (other.law - other.law[:, :1]) - (walk.law - walk.law[:, :1])
        layer_of = torch.tensor([item.layer or 0 for item in neurons(evidence)])
        most = torch.stack([_of_layer(values.abs(), layer_of) for values in effect.unbind(1)], 1)
        limit = limit + AMPLIFICATION * most.gather(1, column)
    margin, uncertainty = _equality(error, limit, walk.deviation)
    when = record.snapshot_time[:, :, None].expand_as(error)
    return Measurement(
        margin,
        uncertainty,
        torch.zeros_like(margin),
        when,
        (when > 0.0) & limit.isfinite() & with_law(evidence)[:, None],
        neurons(evidence),
        "weights in the file",
    )


def _columns(evidence: Evidence, when: Tensor) -> Tensor:
    """Return the column of `_Walk` that belongs to the time of each snapshot, (row, snapshot)."""
    training = evidence.training
    assert training is not None
    claimed = training.claimed.select(evidence.rows)
    saves = training.steps[evidence.rows]
    times = torch.stack(
        [
            rate * torch.tensor(claimed.schedule.times(1.0, steps.numpy()))
            for rate, steps in zip(claimed.rate.double(), saves, strict=True)
        ]
    )
    nearest = (times[:, None] - when.nan_to_num(0.0)[:, :, None]).abs()
    column = nearest.argmin(2)
    # The last good step of one that diverged lies between saves.
    off = nearest.amin(2) > 1e-9 * when.nan_to_num(0.0).abs()
    return torch.where(off, saves.shape[1], column)

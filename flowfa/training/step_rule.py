"""One discrete step of many networks, each with a rate and a momentum of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from flowfa.flow.field import NetworkField, RuleGroup
from flowfa.training.minibatches import Minibatches
from flowfa.training.redraws import Redraws
from flowfa.training.schedule import CONSTANT, Schedule


@dataclass(frozen=True)
class Stride:
    """A step that was taken, of all rows.

    Attributes
    ----------
    step : int
        k, from 0: this is the step from W(k) to W(k+1).
    rate : Tensor
        eta_k, (row,).
    before, after : Tensor
        W(k) and W(k+1), (row, parameter).
    update : Tensor
        U = -G at W(k), of the minibatch, without weight decay, (row, parameter); for feedback that
        moves, its velocity.
    increment : Tensor
        What was added to W(k), (row, parameter).
    velocity : Tensor or None
        -v of heavy-ball momentum after the step; None where no row has momentum.
    """

    step: int
    rate: Tensor
    before: Tensor
    update: Tensor
    increment: Tensor
    after: Tensor
    velocity: Tensor | None


@dataclass(frozen=True)
class StepRule:
    """How discrete training moves: v <- mu v + G + lambda W, W <- W - eta_k v (heavy ball).

    Feedback that moves takes the same steps along its own velocity, to which weight decay adds
    nothing: what decays there is the rule's own.

    It keeps no state: the velocity goes in and out. Row i of a step depends on row i alone, bit
    for bit.

    Attributes
    ----------
    rate : Tensor
        eta, (row,).
    momentum : Tensor
        mu, (row,).
    starts : Tensor
        The start of each row, (row,): which minibatches it sees.
    schedule : Schedule
    weight_decay : float
        lambda, of weights and biases.
    minibatches : Minibatches or None
        None: the full batch.
    redraws : Redraws or None
        Needed by rules whose feedback is drawn at each step.
    """

    rate: Tensor
    momentum: Tensor
    starts: Tensor
    schedule: Schedule = CONSTANT
    weight_decay: float = 0.0
    minibatches: Minibatches | None = None
    redraws: Redraws | None = None

    @property
    def has_momentum(self) -> bool:
        """Whether a row has momentum."""
        return bool((self.momentum != 0.0).any())

    def select(self, rows: Tensor) -> StepRule:
        """Return the rule of some rows."""
        return dataclasses.replace(
            self, rate=self.rate[rows], momentum=self.momentum[rows], starts=self.starts[rows]
        )

    def field_at(self, field: NetworkField, step: int) -> NetworkField:
        """Return the field that a step follows: its minibatch, and its feedback where redrawn."""
        field = self.redrawn(field, step)
        if self.minibatches is None:
            return field
        chosen = self.minibatches.of_step(step)[self.starts.cpu()]
        return field.on_samples(chosen.to(field.inputs.device))

    def stride(
        self, field: NetworkField, step: int, state: Tensor, velocity: Tensor | None
    ) -> Stride:
        """Take one step.

        Parameters
        ----------
        field : NetworkField
            With one row for each row of `state`, on all samples.
        step : int
            k, from 0.
        state : Tensor
            W(k), (row, parameter); it is left as it is.
        velocity : Tensor or None
            -v before the step; None at the first step, or where no row has momentum.
        """
        of_step = self.field_at(field, step)
        forward = of_step.forward(state)
        descent = of_step.descent(forward, of_step.output_signal(forward), of_step.rule_signal)
        update = of_step.with_feedback(forward, descent)
        # One multiplication and one addition at a time: a fused kernel rounds differently in the
        # odd elements at its end, so that a row would depend on the rows beside it.
        pull = update
        if self.weight_decay:
            length = field.layout.network_length
            pull = torch.cat(
                [
                    update[:, :length] - self.weight_decay * state[:, :length],
                    update[:, length:],
                ],
                dim=1,
            )
        if self.has_momentum:
            velocity = pull if velocity is None else self.momentum[:, None] * velocity + pull
            pull = velocity
        rate = self.rate * self.schedule.scale(step)
        increment = rate[:, None] * pull
        return Stride(step, rate, state, update, increment, state + increment, velocity)

    def redrawn(self, field: NetworkField, step: int) -> NetworkField:
        """Return the field on all samples with the feedback of a step."""
        if step == 0 or not any(group.rule.redrawn for group in field.groups):
            return field
        groups = []
        for group in field.groups:
            if group.rule.redrawn:
                assert self.redraws is not None
                starts = self.starts[group.start : group.stop]
                kept = self.redraws.of_step(group.rule, step, starts, field.inputs)
                group = RuleGroup(group.rule, group.start, group.stop, kept)
            groups.append(group)
        return field.replace(groups=tuple(groups))


def strides(
    rule: StepRule, field: NetworkField, state: Tensor, steps: int | None = None
) -> Iterator[Stride]:
    """Take steps one after the other, from step 0.

    Parameters
    ----------
    rule : StepRule
    field : NetworkField
        With one row for each row of `state`.
    state : Tensor
        W(0), (row, parameter).
    steps : int, optional
        How many; by default they go on without end.

    Yields
    ------
    Stride
    """
    velocity: Tensor | None = None
    step = 0
    while steps is None or step < steps:
        with torch.no_grad():
            stride = rule.stride(field, step, state, velocity)
        yield stride
        state, velocity = stride.after, stride.velocity
        step += 1

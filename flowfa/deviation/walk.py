"""The discrete runs of one rule: their states at the points of comparison, and the law's drift."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flowfa.flow.field import NetworkField
from flowfa.training import StepRule
from flowfa.training import law as conservation
from flowfa.training.law import Carried


@dataclass(frozen=True)
class Walk:
    """The result of discrete steps.

    Attributes
    ----------
    states : Tensor
        At the points of comparison, (row, point, parameter); NaN after divergence.
    drift : Tensor
        C(k) - C(0) of each hidden neuron there, (row, point, neuron); NaN where there is no law.
    predicted : Tensor
        The sum of what C-11 says each step adds, alike.
    turnover : Tensor
        Largest size of the terms of C so far in the layer of each neuron, alike: rounding is a
        share of it.
    diverged : numpy.ndarray
        The step whose result was not finite, (row,); -1 if all were.
    first_flip : numpy.ndarray
        The first step after which an output weight had another sign than at the start, (row,);
        -1 if none had.
    """

    states: Tensor
    drift: Tensor
    predicted: Tensor
    turnover: Tensor
    diverged: np.ndarray
    first_flip: np.ndarray


def walk(
    field: NetworkField,
    initial: Tensor,
    rate: np.ndarray,
    momentum: np.ndarray,
    steps: np.ndarray,
    monitor: Callable[[int, int], None] | None = None,
) -> Walk:
    """Take the steps of every row, full batch, until its last point of comparison.

    Parameters
    ----------
    field : NetworkField
        With one row for each row of `initial`.
    initial : Tensor
        (row, parameter).
    rate, momentum : numpy.ndarray
        eta and mu, (row,).
    steps : numpy.ndarray
        Steps done at each point, not decreasing, (row, point).
    monitor : callable, optional
        Called with the steps done and the steps of the longest row; may raise to stop.
    """
    rows, points = steps.shape
    neurons = field.layout.hidden_neurons
    states = initial.new_full((rows, points, initial.shape[1]), torch.nan)
    drift, predicted, turnover = (
        initial.new_full((rows, points, neurons), torch.nan) for _ in range(3)
    )
    diverged, first_flip = np.full(rows, -1), np.full(rows, -1)
    begun = conservation.terms(field, initial)
    signs = _output_signs(field, initial)
    ends = steps[:, -1].copy()
    rule = StepRule(
        torch.from_numpy(rate).to(initial),
        torch.from_numpy(momentum).to(initial),
        torch.zeros(rows, dtype=torch.int64),
    )
    active = np.arange(rows)
    member, members, state = field, rule, initial
    velocity: Tensor | None = None
    carried: Carried | None = None
    now_terms, total, lost = begun, torch.zeros_like(begun.law), torch.zeros_like(begun.law)
    size = begun.size
    step = 0
    while len(active):
        with torch.no_grad():
            stride = members.stride(member, step, state, velocity)
        after = conservation.terms(member, stride.after)
        change, carried = conservation.change(
            member, members, step, now_terms, after, stride.increment, carried
        )
        total, lost = _added(total, lost, change)
        now_terms, state, velocity = after, stride.after, stride.velocity
        size = torch.maximum(size, after.size)
        step += 1
        finite = state.isfinite().all(1).numpy()
        diverged[active[~finite]] = step - 1
        ends[active[~finite]] = step
        flipped = (_output_signs(member, state) != signs[active]).any(1).numpy() & finite
        first = active[flipped & (first_flip[active] < 0)]
        first_flip[first] = step
        index, point = np.nonzero((steps[active] == step) & finite[:, None])
        if len(index):
            where = (torch.from_numpy(active[index]), torch.from_numpy(point))
            chosen = torch.from_numpy(index)
            states[where] = state[chosen]
            drift[where] = (now_terms.law - begun.law[active])[chosen]
            predicted[where] = (total + lost)[chosen]
            turnover[where] = size[chosen]
        going = ends[active] > step
        if not going.all():
            kept = torch.from_numpy(np.flatnonzero(going))
            active = active[going]
            member, members = field.select(torch.from_numpy(active)), members.select(kept)
            state, total, lost, size = state[kept], total[kept], lost[kept], size[kept]
            velocity = None if velocity is None else velocity[kept]
            now_terms, carried = now_terms.select(kept), carried.select(kept)
        if monitor is not None and (step % 16 == 0 or not len(active)):
            monitor(step, int(ends.max()))
    return Walk(states, drift, predicted, turnover, diverged, first_flip)


def _added(total: Tensor, lost: Tensor, change: Tensor) -> tuple[Tensor, Tensor]:
    """Return a sum and its rounding after one more term (Neumaier)."""
    rounded_sum = total + change
    larger = total.abs() >= change.abs()
    rounding = torch.where(larger, (total - rounded_sum) + change, (change - rounded_sum) + total)
    return rounded_sum, lost + rounding


def _output_signs(field: NetworkField, state: Tensor) -> Tensor:
    """Return the signs of W_L, (row, weight)."""
    return field.layout.views(state)[f"W{field.layout.layers}"].sign().flatten(1)

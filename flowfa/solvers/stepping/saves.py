"""Handing out the states at the save times that a step has passed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from flowfa.flow.base import Field
from flowfa.solvers.runge_kutta.step import DenseOutput, Step
from flowfa.solvers.runge_kutta.tableau import Tableau
from flowfa.solvers.stepping.integration import Integration, SaveCallback

LEAST_BATCH = 64
"""Saved states handed out together, unless more trajectories than these are working."""


class Between(Protocol):
    """States between the ends of a step, for the rows that it was made for."""

    def __call__(self, positions: Tensor, theta: Tensor) -> Tensor:
        """Return states (output, parameter) of `positions` among the rows, at theta in [0, 1]."""
        ...


def explicit_dense_output(
    tableau: Tableau, field: Field, run: Integration, step: Step
) -> Callable[[Tensor], Between]:
    """Return a function that makes the dense output of chosen rows, and counts its extra stages."""

    def dense_output(rows: Tensor) -> Between:
        if len(tableau.extra_nodes):
            trajectories = run.working[rows].cpu().numpy()
            run.counters["evaluations"][trajectories] += len(tableau.extra_nodes)
        return DenseOutput(tableau, field, step, rows)

    return dense_output


def save_passed(
    run: Integration,
    step: Step,
    new_time: Tensor,
    accepted: Tensor,
    dense_output: Callable[[Tensor], Between],
    save: SaveCallback,
) -> None:
    """Save each accepted trajectory at the requested times in (time, new_time].

    Parameters
    ----------
    run : Integration
        Its ``next_save`` is moved on.
    step : Step
        Of the working set.
    new_time : Tensor
        The times at the end of the step, (trajectory,).
    accepted : Tensor
        (trajectory,).
    dense_output : callable
        Makes the `Between` of chosen positions in the working set, which increase.
    save : SaveCallback
    """
    rows = run.working.cpu().numpy()
    times = run.save_times.cpu().numpy()
    first = run.next_save[rows]
    passed = np.searchsorted(times, new_time.cpu().numpy(), side="right")
    count = np.where(accepted.cpu().numpy(), passed - first, 0)
    chosen = count.nonzero()[0]
    if not len(chosen):
        return
    run.next_save[rows[chosen]] = passed[chosen]
    device = run.working.device
    selected = torch.tensor(chosen, device=device)
    dense = dense_output(selected)
    position = np.repeat(np.arange(len(chosen)), count[chosen])
    index = np.concatenate([np.arange(first[i], passed[i]) for i in chosen])
    batch = max(LEAST_BATCH, len(rows))
    for begin in range(0, len(index), batch):
        in_batch = torch.tensor(position[begin : begin + batch], device=device)
        saves = torch.tensor(index[begin : begin + batch], device=device)
        working = selected[in_batch]
        theta = (run.save_times[saves] - step.time[working]) / step.size[working]
        states = dense(in_batch, theta)
        # The end of a step is known better than its dense output.
        at_end = run.save_times[saves] == new_time[working]
        states = torch.where(at_end[:, None], step.after[working], states)
        save(run.working[working], saves, states)

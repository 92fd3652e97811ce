"""A quantity along trajectories, with its rate and what coarser rungs make of it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Course:
    """A quantity along the trajectories.

    Attributes
    ----------
    values, rates : Tensor
        On the finest rung, (trajectory, time, item): q, and dq/dt = grad q . F + the partial
        derivative by time, along the field that moves the networks. NaN where not reached.
    coarser : Tensor
        Values on the next coarser rung.
    on_run_rung : Tensor
        Values on the rung of the run itself, which is one of the two, or coarser than both.
    """

    values: Tensor
    rates: Tensor
    coarser: Tensor
    on_run_rung: Tensor

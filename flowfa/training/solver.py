"""Discrete steps as a solver, so that loop, saves and checkpoints are those of the flow."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor

from flowfa.flow.base import Field
from flowfa.flow.field import NetworkField
from flowfa.solvers.stepping.integration import Integration, SaveCallback
from flowfa.solvers.stepping.status import Status
from flowfa.training.step_rule import StepRule

BURST_SECONDS = 0.1
"""Time between two looks at signals and the progress display; results do not depend on it."""


class DiscreteSteps:
    """Takes every network from one saved step to the next.

    Parameters
    ----------
    rule : StepRule
        With one row for each trajectory of the run.
    steps : numpy.ndarray
        Saved steps of each trajectory, increasing from 0, (trajectory, save).
    """

    name = "steps"

    def __init__(self, rule: StepRule, steps: np.ndarray) -> None:
        self.rule = rule
        self.steps = steps

    def start(self, field: Field, run: Integration) -> None:
        """Keep the states, the steps done, and the velocity of momentum."""
        state = run.memory["state"]
        run.memory = {
            "state": state,
            "time": run.memory["time"],
            "step": torch.zeros(len(state), dtype=torch.int64, device=state.device),
        }
        if self.rule.has_momentum:
            run.memory["velocity"] = torch.zeros_like(state)

    def advance(self, field: Field, run: Integration, save: SaveCallback) -> None:
        """Step to the next saved step of any trajectory, or until one diverges."""
        assert isinstance(field, NetworkField)
        rows = run.working.cpu().numpy()
        rule = self.rule.select(run.working)
        memory = run.memory
        first = int(memory["step"][0])
        upcoming = self.steps[rows, run.next_save[rows]]
        goal, pause = int(upcoming.min()), time.monotonic() + BURST_SECONDS
        state, velocity = memory["state"], memory.get("velocity")
        step, diverged = first, torch.zeros(len(rows), dtype=torch.bool)
        while step < goal and not diverged.any():
            stride = rule.stride(field, step, state, velocity)
            state, velocity = stride.after, stride.velocity
            # One sum a row shows in one pass whether to look closer: the sum alone may overflow.
            if not bool(state.sum(1).isfinite().all()):
                finite = state.isfinite().all(1)
                state = torch.where(finite[:, None], state, stride.before)
                diverged = ~finite.cpu()
            step += 1
            if time.monotonic() > pause:
                break
        done = np.where(diverged.numpy(), step - 1, step)
        run.count("steps", done - first)
        run.count("evaluations", step - first)
        memory["state"] = state
        if velocity is not None:
            memory["velocity"] = velocity
        memory["step"] = torch.full_like(memory["step"], step)
        memory["time"] = self._time(rule, done).to(memory["time"])
        leaving = {
            position: (Status.DIVERGED, f"step {step - 1}, counted from 0")
            for position in diverged.nonzero().flatten().tolist()
        }
        arrived = np.flatnonzero((upcoming == step) & (done == step))
        if len(arrived):
            chosen = torch.tensor(arrived, device=state.device)
            saves = torch.tensor(run.next_save[rows[arrived]], device=state.device)
            save(run.working[chosen], saves, state[chosen])
            run.next_save[rows[arrived]] += 1
            ended = arrived[run.next_save[rows[arrived]] == self.steps.shape[1]]
            leaving |= {position: (Status.OK, "") for position in ended.tolist()}
        run.retire(leaving)

    @staticmethod
    def _time(rule: StepRule, done: np.ndarray) -> Tensor:
        """Return the sum of the rates of each row, (row,)."""
        unit = torch.tensor(rule.schedule.times(1.0, done))
        return rule.rate.cpu().double() * unit

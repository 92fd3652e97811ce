"""Explicit Runge-Kutta solvers: adaptive with a step for each trajectory, or with a fixed step."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from flowfa.errors import InputError
from flowfa.flow.base import Field
from flowfa.solvers.runge_kutta.step import Step, scaled_error, take_step
from flowfa.solvers.runge_kutta.tableau import Tableau
from flowfa.solvers.stepping.chattering import find_chattering, start_watching
from flowfa.solvers.stepping.continuing import reach_of_step
from flowfa.solvers.stepping.controller import Controller, Tolerance
from flowfa.solvers.stepping.ending import find_ended
from flowfa.solvers.stepping.first_step import start_stepping
from flowfa.solvers.stepping.integration import Integration, SaveCallback, merge_states
from flowfa.solvers.stepping.saves import explicit_dense_output, save_passed
from flowfa.solvers.stepping.status import Status


class AdaptiveRungeKutta:
    """An embedded pair that keeps the estimated error of each step within a tolerance.

    Parameters
    ----------
    tableau : Tableau
        With an error estimate.
    tolerance : Tolerance
    controller : Controller
    max_steps : int
        Trials (accepted or not) after which a trajectory ends with `Status.MAX_STEPS`.
    """

    def __init__(
        self, tableau: Tableau, tolerance: Tolerance, controller: Controller, max_steps: int
    ) -> None:
        if tableau.error_order is None:
            raise InputError(
                f"{tableau.name} has no error estimate: give it a fixed step, or take an adaptive "
                "solver such as dopri5"
            )
        self.name = tableau.name
        self.tableau = tableau
        self.error_order = tableau.error_order
        self.tolerance = tolerance
        self.controller = controller
        self.max_steps = max_steps

    def start(self, field: Field, run: Integration) -> None:
        """Choose first steps by Hairer's rule (Hairer, Norsett & Wanner II.4)."""
        start_stepping(field, run, self.tolerance, self.error_order)
        start_watching(run)

    def reach(self, run: Integration) -> Tensor:
        """Return how far the next steps go; see `stepping.continuing.Reaching`."""
        return reach_of_step(run)

    def advance(self, field: Field, run: Integration, save: SaveCallback) -> None:
        """Try a step of each working trajectory; see `stepping.integration.Solver`."""
        memory = run.memory
        time, end = memory["time"], run.end
        reaches_end = time + memory["step"] * (1.0 + 1e-10) >= end
        size = torch.where(reaches_end, end - time, memory["step"])
        step = take_step(self.tableau, field, time, memory["state"], memory["velocity"], size)
        run.count("evaluations", len(step.slopes) - 1)
        error = scaled_error(self.tableau, step, self.tolerance)
        accepted = error <= 1.0
        factor = self.controller.factor(
            error, memory["previous_error"], accepted, self.error_order + 1
        )
        factor = torch.where(memory["after_rejection"], factor.clamp_max(1.0), factor)
        new_time = torch.where(reaches_end, end, time + size)
        dense = explicit_dense_output(self.tableau, field, run, step)
        save_passed(run, step, new_time, accepted, dense, save)
        memory["time"] = torch.where(accepted, new_time, time)
        memory["state"] = merge_states(accepted, step.after, step.before)
        memory["velocity"] = merge_states(accepted, step.slopes[-1], step.slopes[0])
        memory["previous_error"] = torch.where(accepted, error, memory["previous_error"])
        memory["after_rejection"] = ~accepted
        memory["step"] = size * factor
        run.count("steps", accepted)
        run.count("rejected", ~accepted)
        self._retire(field, run, step, accepted)

    def _retire(self, field: Field, run: Integration, step: Step, accepted: Tensor) -> None:
        leaving = {
            position: (Status.CHATTERING, detail)
            for position, detail in find_chattering(field, run, step, accepted).items()
        }
        run.retire(leaving | find_ended(run, self.max_steps))


class FixedStepRungeKutta:
    """A method with one step for all trajectories and no error control.

    Parameters
    ----------
    tableau : Tableau
    step : float
        The step h; the k-th step ends at k h, the last one at the end.
    max_steps : int
        Steps after which a trajectory ends with `Status.MAX_STEPS`.

    Raises
    ------
    InputError
        If the step is not a positive number.
    """

    def __init__(self, tableau: Tableau, step: float, max_steps: int) -> None:
        if not 0.0 < step < math.inf:
            raise InputError(f"`step` is {step}: expected a positive number")
        self.name = tableau.name
        self.tableau = tableau
        self.step = step
        self.max_steps = max_steps

    def start(self, field: Field, run: Integration) -> None:
        """Keep nothing but the number of steps."""
        run.memory["trials"] = torch.zeros_like(run.working)

    def reach(self, run: Integration) -> Tensor:
        """Return how far the next steps go; see `stepping.continuing.Reaching`."""
        return (run.memory["trials"] + 1).to(run.memory["time"].dtype) * self.step * (1.0 + 1e-11)

    def advance(self, field: Field, run: Integration, save: SaveCallback) -> None:
        """Take one step of each working trajectory; see `stepping.integration.Solver`."""
        memory = run.memory
        time = memory["time"]
        memory["trials"] += 1
        # Times are multiples of h, not sums, so that rounding does not add up. A last step of
        # rounding's size, when the end is itself a multiple of h, is merged into the one before.
        planned = memory["trials"].to(time.dtype) * self.step
        reaches_end = planned >= run.end * (1.0 - 1e-12)
        new_time = torch.where(reaches_end, run.end, planned)
        step = take_step(
            self.tableau, field, time, memory["state"], memory["velocity"], new_time - time
        )
        run.count("evaluations", len(step.slopes) - 1)
        sound = step.after.isfinite().all(1) & step.slopes[-1].isfinite().all(1)
        dense = explicit_dense_output(self.tableau, field, run, step)
        save_passed(run, step, new_time, sound, dense, save)
        memory["time"] = torch.where(sound, new_time, time)
        memory["state"] = merge_states(sound, step.after, step.before)
        memory["velocity"] = merge_states(sound, step.slopes[-1], step.slopes[0])
        run.count("steps", sound)
        self._retire(run, sound)

    def _retire(self, run: Integration, sound: Tensor) -> None:
        memory = run.memory
        leaving: dict[int, tuple[Status, str]] = {}
        for position in (~sound).nonzero().flatten().tolist():
            reached = float(memory["time"][position])
            leaving[position] = (
                Status.OVERFLOW,
                f"after t = {reached:.9g} with step {self.step:g}",
            )
        for position in (sound & (memory["trials"] >= self.max_steps)).nonzero().flatten().tolist():
            reached = float(memory["time"][position])
            leaving[position] = (Status.MAX_STEPS, f"{self.max_steps} steps took it to {reached:g}")
        for position in (memory["time"] >= run.end).nonzero().flatten().tolist():
            leaving[position] = (Status.OK, "")
        run.retire(leaving)

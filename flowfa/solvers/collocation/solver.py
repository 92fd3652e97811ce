"""Gauss collocation with a step for each trajectory."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from flowfa.errors import InputError
from flowfa.flow.base import Field
from flowfa.solvers.collocation import GAUSS
from flowfa.solvers.collocation.gauss import GaussMethod
from flowfa.solvers.collocation.step import (
    extrapolate,
    gauss_dense_output,
    scaled_error,
    take_step,
)
from flowfa.solvers.factory import SOLVERS, SolverSettings
from flowfa.solvers.runge_kutta.step import Step
from flowfa.solvers.stepping.chattering import find_chattering, start_watching
from flowfa.solvers.stepping.continuing import reach_of_step
from flowfa.solvers.stepping.controller import Controller, Tolerance, controller
from flowfa.solvers.stepping.ending import find_ended
from flowfa.solvers.stepping.first_step import start_stepping
from flowfa.solvers.stepping.integration import Integration, SaveCallback, merge_states
from flowfa.solvers.stepping.saves import save_passed
from flowfa.solvers.stepping.status import Status

FINEST = 1e-13
"""Finest tolerance whose stage equations rounding lets the iteration solve."""
GROWTH = 4.0
"""Greatest growth of a step, so that extrapolating from the last one remains a good guess."""
SHORTENED = 0.5
"""Factor of a step whose stage equations were not solved."""
SLOW = 15
"""Iterations from which on a step may not grow."""
MOSTLY = 0.5
"""A flow is called stiff if the iteration was slow or failed in more than this share of trials."""


class GaussCollocation:
    """Gauss-Legendre collocation of order 2, 4 or 6, for smooth flows.

    Parameters
    ----------
    method : GaussMethod
    tolerance : Tolerance
    controller : Controller
    max_steps : int
        Trials (accepted or not) after which a trajectory ends with `Status.MAX_STEPS`.

    Raises
    ------
    InputError
        If the tolerance is finer than `FINEST`.
    """

    def __init__(
        self, method: GaussMethod, tolerance: Tolerance, controller: Controller, max_steps: int
    ) -> None:
        if tolerance.rtol < FINEST:
            raise InputError(
                f"`rtol` {tolerance.rtol:g} is finer than {method.name} can solve its stage "
                f'equations for ({FINEST:g}): loosen `rtol`, or take `solver="dop853"`'
            )
        self.name = method.name
        self.method = method
        self.tolerance = tolerance
        self.controller = controller
        self.max_steps = max_steps

    def start(self, field: Field, run: Integration) -> None:
        """Choose first steps, and guess that the velocity stays what it is."""
        start_stepping(field, run, self.tolerance, self.method.error_order)
        start_watching(run)
        memory = run.memory
        memory["slopes"] = memory["velocity"][:, None].repeat(1, self.method.stages, 1)
        memory["slopes_size"] = memory["step"].clone()
        memory["slow"] = torch.zeros_like(run.working)
        memory["unsolved"] = torch.zeros_like(memory["after_rejection"])

    def reach(self, run: Integration) -> Tensor:
        """Return how far the next steps go; see `stepping.continuing.Reaching`."""
        return reach_of_step(run)

    def advance(self, field: Field, run: Integration, save: SaveCallback) -> None:
        """Try a step of each working trajectory; see `stepping.integration.Solver`."""
        method, memory = self.method, run.memory
        time, end = memory["time"], run.end
        reaches_end = time + memory["step"] * (1.0 + 1e-10) >= end
        size = torch.where(reaches_end, end - time, memory["step"])
        velocity = memory["velocity"]
        guess = extrapolate(method, memory["slopes"], velocity, size / memory["slopes_size"])
        step, stages = take_step(
            method, field, self.tolerance, time, memory["state"], velocity, size, guess
        )
        run.count("evaluations", stages.iterations * method.stages + 1)
        error = scaled_error(method, step, stages, self.tolerance)
        accepted = error <= 1.0
        slow = (stages.iterations >= SLOW) | ~stages.solved
        factor = self.controller.factor(
            error, memory["previous_error"], accepted, method.error_order + 1
        ).clamp_max(GROWTH)
        factor = torch.where(memory["after_rejection"] | slow, factor.clamp_max(1.0), factor)
        factor = torch.where(stages.solved, factor, SHORTENED)
        new_time = torch.where(reaches_end, end, time + size)
        dense = gauss_dense_output(method, field, run, self.tolerance, step)
        save_passed(run, step, new_time, accepted, dense, save)
        memory["time"] = torch.where(accepted, new_time, time)
        memory["state"] = merge_states(accepted, step.after, step.before)
        memory["velocity"] = merge_states(accepted, step.slopes[-1], velocity)
        memory["slopes"] = merge_states(accepted, stages.slopes, memory["slopes"])
        memory["slopes_size"] = torch.where(accepted, size, memory["slopes_size"])
        memory["previous_error"] = torch.where(accepted, error, memory["previous_error"])
        memory["after_rejection"] = ~accepted
        memory["slow"] += slow
        memory["unsolved"] = ~stages.solved
        memory["step"] = size * factor
        run.count("steps", accepted)
        run.count("rejected", ~accepted)
        self._retire(field, run, step, accepted)

    def _retire(self, field: Field, run: Integration, step: Step, accepted: Tensor) -> None:
        memory = run.memory
        leaving = {
            position: (Status.CHATTERING, detail)
            for position, detail in find_chattering(field, run, step, accepted).items()
        }
        for position, (status, detail) in find_ended(run, self.max_steps).items():
            if status is Status.STEP_UNDERFLOW and memory["unsolved"][position]:
                status = Status.STAGE_EQUATIONS
                detail += _nearest_kink(field, memory["state"], position)
            slow, trials = int(memory["slow"][position]), int(memory["trials"][position])
            if status is Status.MAX_STEPS and slow > MOSTLY * trials:
                detail = (
                    f"{detail}; in {slow} of them the fixed-point iteration of the stage equations "
                    'was slow or failed, so the flow is too stiff for it: take `solver="dopri5"`'
                )
            leaving[position] = (status, detail)
        run.retire(leaving)


def _nearest_kink(field: Field, state: Tensor, position: int) -> str:
    """Return which surface a trajectory is nearest to, or nothing where there are none."""
    switching = field.switching(state)
    if switching is None:
        return ""
    distances = switching[position].abs()
    surface = int(distances.argmin())
    return f", {float(distances[surface]):.1e} from the kink of {field.surface_name(surface)}"


def _make(method: GaussMethod, settings: SolverSettings) -> GaussCollocation:
    settings.refuse_step(method.name)
    return GaussCollocation(
        method, settings.tolerance, controller(settings.control), settings.max_steps
    )


for _name in GAUSS.names():
    SOLVERS.register(_name)(partial(_make, GAUSS.get(_name)))

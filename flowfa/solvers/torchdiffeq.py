"""torchdiffeq's solvers behind flowfa's interface, as an alternative and as a cross-check."""

from __future__ import annotations

import re
import warnings

import torch
from torch import Tensor

from flowfa.errors import InputError
from flowfa.flow.base import Field
from flowfa.registry import unknown_name
from flowfa.solvers.factory import FAMILIES, SolverSettings
from flowfa.solvers.stepping.controller import Tolerance
from flowfa.solvers.stepping.integration import Integration, SaveCallback
from flowfa.solvers.stepping.status import Status

ADAPTIVE = ("dopri5", "dopri8", "bosh3", "adaptive_heun", "fehlberg2")
FIXED_STEP = ("euler", "midpoint", "heun2", "heun3", "rk4")


class TorchdiffeqSolver:
    """A solver of torchdiffeq, which sees one trajectory at a time.

    torchdiffeq has one step for a whole batch. So trajectories are integrated one by one, and each
    has its own steps and failures. A stopped run continues with the trajectory it was in. The
    saved states come from torchdiffeq's own dense output, whose order may be below its steps'.

    Parameters
    ----------
    method : str
        A name that torchdiffeq knows: one of `ADAPTIVE` or `FIXED_STEP`.
    tolerance : Tolerance
        Of adaptive methods.
    step : float or None
        Of fixed-step methods.
    max_steps : int
        Limit on the steps between two saves.

    Raises
    ------
    InputError
        If the method is unknown, or a fixed-step method has no step.
    """

    def __init__(
        self, method: str, tolerance: Tolerance, step: float | None, max_steps: int
    ) -> None:
        if method not in ADAPTIVE + FIXED_STEP:
            raise unknown_name("torchdiffeq solver", method, ADAPTIVE + FIXED_STEP)
        if (step is None) == (method in FIXED_STEP):
            remedy = "give `step=H`" if step is None else "leave out `step`"
            kind = "fixed-step" if method in FIXED_STEP else "adaptive"
            raise InputError(f"torchdiffeq:{method} is a {kind} solver: {remedy}")
        self.name = f"torchdiffeq:{method}"
        self.method = method
        self.tolerance = tolerance
        self.options = {"step_size": step} if step is not None else {"max_num_steps": max_steps}

    def start(self, field: Field, run: Integration) -> None:
        """Keep nothing, because a trajectory is integrated in one call."""

    def advance(self, field: Field, run: Integration, save: SaveCallback) -> None:
        """Integrate the first working trajectory from start to end."""
        from torchdiffeq import odeint

        first = torch.zeros(1, dtype=torch.int64, device=run.working.device)
        first_field = field.select(first)
        counted = _Counted(first_field)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            try:
                path = odeint(
                    counted,
                    run.memory["state"][:1],
                    run.save_times,
                    rtol=self.tolerance.rtol,
                    atol=self.tolerance.atol,
                    method=self.method,
                    options=dict(self.options),
                )
            except AssertionError as error:
                outcome = _failure(str(error), counted)
            else:
                assert isinstance(path, Tensor)
                outcome = (Status.OK, "") if path.isfinite().all() else _failure("", counted)
        row = int(run.working[0])
        run.counters["evaluations"][row] += counted.evaluations
        # torchdiffeq does not tell how many steps it took or rejected.
        run.counters["steps"][row] = run.counters["rejected"][row] = -1
        if outcome[0] is Status.OK:
            saves = torch.arange(1, len(run.save_times), device=run.working.device)
            save(run.working[:1].repeat(len(saves)), saves, path[1:, 0])
            run.next_save[row] = len(run.save_times)
            run.memory["state"][0] = path[-1, 0]
            run.memory["time"][0] = run.end
        run.retire({0: outcome})


class _Counted:
    """The field of one trajectory in torchdiffeq's form, with a count of its evaluations."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.evaluations = 0
        self.latest = 0.0

    def __call__(self, time: Tensor, state: Tensor) -> Tensor:
        self.evaluations += 1
        self.latest = float(time)
        return self.field(time.expand(1), state)


def _failure(text: str, counted: _Counted) -> tuple[Status, str]:
    """Return the status that torchdiffeq's assertion means; it keeps no states from before."""
    detail = f"torchdiffeq stopped near t = {counted.latest:.6g} and keeps nothing before it"
    if "max_num_steps" in text:
        return Status.MAX_STEPS, detail
    if re.search("underflow", text):
        return Status.STEP_UNDERFLOW, detail
    return Status.OVERFLOW, detail


@FAMILIES.register("torchdiffeq")
def _make(method: str, settings: SolverSettings) -> TorchdiffeqSolver:
    return TorchdiffeqSolver(method, settings.tolerance, settings.step, settings.max_steps)

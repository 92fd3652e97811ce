"""The hybrid solver: one-hidden-layer flows through kinks and sliding modes, exactly.

Neurons talk to each other only through the residual signals r(t). A step guesses r as a quadratic
in time, moves every neuron exactly under it (`neuron`), computes r anew at the Gauss nodes, and
repeats until it no longer changes. Trajectories know nothing of one another: a compiled loop
(`loop`) moves each on by some steps. See docs/theory/hybrid.md.
"""

from __future__ import annotations

from copy import copy

import torch
from torch import Tensor

from flowfa.errors import InputError
from flowfa.flow.base import Field
from flowfa.flow.surfaces import find_surfaces
from flowfa.solvers.factory import SOLVERS, SolverSettings
from flowfa.solvers.hybrid.first import first_memory
from flowfa.solvers.hybrid.layers import Setting
from flowfa.solvers.hybrid.loop import ARRIVED, COUNTERS, OUT_OF_TRIALS, STORM, UNDERFLOW
from flowfa.solvers.hybrid.moving import Limits, Trajectories
from flowfa.solvers.one_hidden_layer.network import augmented_inputs, feedback_of, network
from flowfa.solvers.stepping.continuing import reach_of_step
from flowfa.solvers.stepping.controller import Tolerance
from flowfa.solvers.stepping.integration import (
    ERROR_ESTIMATE,
    EVENT_COUNTERS,
    Integration,
    SaveCallback,
)
from flowfa.solvers.stepping.status import Status

COARSE = 1e-4
"""Tolerance below which the share of a step shrinks, because there are more steps."""
FINEST = 1e-10
"""Finest tolerance that the signals' rounding lets the iteration reach."""
MOST_STEPS = 50
"""Accepted steps of a trajectory in one call of the loop."""
CALL = 5e8
"""Surfaces of all neurons that a call may look at, some tenths of a second."""
_ENDS = {UNDERFLOW: Status.STEP_UNDERFLOW, STORM: Status.EVENT_STORM}


class HybridSolver:
    """Integrates one-hidden-layer networks through kinks and sliding modes.

    Parameters
    ----------
    tolerance : Tolerance
        Only ``rtol`` is used: the error is measured against the largest preactivation or
        out-weight so far.
    max_steps : int
        Trial steps after which a trajectory ends with `Status.MAX_STEPS`.

    Raises
    ------
    InputError
        If the tolerance is finer than `FINEST`.
    """

    name = "hybrid"

    def __init__(self, tolerance: Tolerance, max_steps: int) -> None:
        if tolerance.rtol < FINEST:
            raise InputError(
                f"`rtol` {tolerance.rtol:g} is finer than the hybrid solver reaches ({FINEST:g}): "
                'loosen `rtol`, or take `solver="dop853"` where the flow is smooth'
            )
        # Errors of steps add up, and finer tolerances take more steps (about rtol^-0.4).
        self.tolerance = tolerance.rtol * min(1.0, tolerance.rtol / COARSE) ** 0.25
        # Finer tolerances begin with shorter steps, because checks take the difference of two runs
        # for their error: on an easy problem both would begin with the same steps.
        self.first_step = min(1.0, tolerance.rtol / COARSE) ** 0.2
        self.max_steps = max_steps
        self.most_steps = MOST_STEPS
        # They follow from the field alone, and are kept because merging samples takes time.
        self._trajectories: Trajectories | None = None

    def start(self, field: Field, run: Integration) -> None:
        """Find the surfaces and modes at time 0, and guess constant residual signals."""
        setting = self._prepare(field).setting
        del run.memory["velocity"]
        rows = run.working.numpy()
        for name in (*EVENT_COUNTERS, ERROR_ESTIMATE):
            run.counters[name][rows] = 0
        memory, undecided = first_memory(setting, run.memory["state"], run.end, self.first_step)
        run.counters["repelling"][rows] += undecided
        run.memory |= {name: torch.from_numpy(array.copy()) for name, array in memory.items()}

    def step_by_step(self) -> HybridSolver:
        """Return the solver that comes back after each step; see `stepping.integration`."""
        solver = copy(self)
        solver.most_steps = 1
        return solver

    def reach(self, run: Integration) -> Tensor:
        """Return how far the next steps go; see `stepping.continuing.Reaching`."""
        return reach_of_step(run)

    def advance(self, field: Field, run: Integration, save: SaveCallback) -> None:
        """Take some steps of each working trajectory; see `stepping.integration.Solver`."""
        trajectories = self._prepare(field)
        rows = run.working.numpy()
        memory = {name: value.numpy() for name, value in run.memory.items()}
        tried = run.counters["steps"][rows] + run.counters["rejected"][rows]
        looked_at = 10.0 * memory["zeta"].size * (memory["zeta"].shape[2] + 20)
        errors = run.counters[ERROR_ESTIMATE][rows]
        moved = trajectories.move(
            memory,
            errors,
            run.next_save[rows].tolist(),
            Limits(
                self.tolerance,
                run.end,
                max(1, min(self.most_steps, int(CALL / looked_at))),
                self.max_steps - tried,
                run.save_times.numpy(),
            ),
        )
        for index, name in enumerate(COUNTERS):
            run.count(name, moved.counters[:, index])
        run.counters[ERROR_ESTIMATE][rows] = errors
        for position, states in enumerate(moved.saved):
            if len(states):
                row = int(rows[position])
                first = int(run.next_save[row])
                run.next_save[row] += len(states)
                saves = torch.arange(first, first + len(states))
                save(run.working[position].repeat(len(states)), saves, torch.from_numpy(states))
        self._retire(run, moved.ends)

    def _prepare(self, field: Field) -> Trajectories:
        """Return what follows from the field; it is kept while the field is the same."""
        last = self._trajectories
        if last is not None and last.setting.net is field:
            return last
        net = network(field, self.name)
        if last is not None and last.setting.net.inputs is net.inputs:
            surfaces = last.setting.surfaces
        else:
            surfaces = find_surfaces(augmented_inputs(net), net.inputs.ndim == 2)
        self._trajectories = Trajectories(Setting(net, surfaces, feedback_of(net)))
        return self._trajectories

    def _retire(self, run: Integration, ends: list[int]) -> None:
        """Let trajectories leave that have arrived, or can go no further."""
        leaving: dict[int, tuple[Status, str]] = {}
        time = run.memory["time"].numpy()
        for position, end in enumerate(ends):
            if end == ARRIVED:
                leaving[position] = (Status.OK, "")
            elif end in _ENDS:
                leaving[position] = (_ENDS[end], f"at t = {time[position]:.9g}")
            elif end == OUT_OF_TRIALS:
                reached = f"{self.max_steps} trials took it to {time[position]:g}"
                leaving[position] = (Status.MAX_STEPS, reached)
        run.retire(leaving)


@SOLVERS.register(HybridSolver.name)
def _make(settings: SolverSettings) -> HybridSolver:
    settings.refuse_step(HybridSolver.name)
    return HybridSolver(settings.tolerance, settings.max_steps)

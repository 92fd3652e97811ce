"""The event solver: the plain event-driven Filippov method for one hidden layer.

Every step is one of scipy's DOP853 under locked modes, cut at the first event of the trajectory;
there the neuron in question takes new modes, and the next step begins. It shares nothing with the
hybrid solver but the merging of collinear samples and the reading of rules, so that the two can
be checked against each other; with many events it is far slower.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import numpy as np
import torch
from scipy.integrate import DOP853
from torch import Tensor

from flowfa.flow.base import Field
from flowfa.flow.field import NetworkField
from flowfa.flow.surfaces import find_surfaces
from flowfa.solvers.deep_event.solver import DeepEventSolver
from flowfa.solvers.event.first import first_event
from flowfa.solvers.event.locked import LockedFlow, Weights
from flowfa.solvers.event.selection import select
from flowfa.solvers.factory import SOLVERS, SolverSettings
from flowfa.solvers.one_hidden_layer.network import (
    augmented_inputs,
    feedback_of,
    in_weights,
    network,
    pack,
)
from flowfa.solvers.stepping.continuing import reach_of_step
from flowfa.solvers.stepping.controller import Tolerance
from flowfa.solvers.stepping.integration import EVENT_COUNTERS, Integration, SaveCallback
from flowfa.solvers.stepping.status import Status

FREE, UPPER, LOWER, FLIP = range(4)
"""Kinds of event: the indices in what `LockedFlow.margins` returns."""
TURN = 1e-6
"""A sliding surface that is left with |G| below this share of the largest turns repelling."""
STORM = 1000
"""Events in a row without progress that end a trajectory."""


class EventSolver:
    """Integrates one-hidden-layer networks from event to event.

    Parameters
    ----------
    tolerance : Tolerance
        Of scipy's DOP853 between events.
    max_steps : int
        Steps after which a trajectory ends with `Status.MAX_STEPS`.
    """

    name = "event"

    def __init__(self, tolerance: Tolerance, max_steps: int) -> None:
        self.tolerance = tolerance
        self.max_steps = max_steps
        self._deep = DeepEventSolver(tolerance, max_steps)

    def start(self, field: Field, run: Integration) -> None:
        """Find the modes at time 0."""
        net = network(field, self.name)
        if net.layout.layers > 2:
            self._deep.start(field, run)
            return
        memory = run.memory
        velocity = memory.pop("velocity")
        for name in EVENT_COUNTERS:
            run.counters[name][run.working.numpy()] = 0
        views = net.layout.views(memory["state"])
        v = views["W2"].transpose(1, 2).contiguous()
        memory["signs"] = torch.where(v >= 0, v.new_tensor(1.0), v.new_tensor(-1.0))
        modes, scales = [], []
        for row in range(len(v)):
            flow, weights = self._locked(net, memory, row, modes=None)
            modes.append(torch.from_numpy(self._first_modes(flow, weights, run, row)))
            zeta = weights.first @ flow.surfaces.directions[0].T
            scales.append(max(float(np.abs(zeta).max()), 1e-300))
        memory["modes"] = torch.stack(modes)
        memory["scale"] = torch.tensor(scales, dtype=torch.float64)
        rate = velocity.abs().amax(1).clamp_min(1e-300)
        memory["step"] = (0.01 * memory["state"].abs().amax(1) / rate).clamp(1e-12, run.end / 10.0)
        memory["stuck"] = torch.zeros(len(v), dtype=torch.int64)

    def step_by_step(self) -> EventSolver:
        """Return the solver that takes one step a call in deep networks too."""
        solver = copy(self)
        solver._deep = self._deep.step_by_step()
        return solver

    def reach(self, run: Integration) -> Tensor:
        """Return how far the next steps go; see `stepping.continuing.Reaching`."""
        return reach_of_step(run)

    def advance(self, field: Field, run: Integration, save: SaveCallback) -> None:
        """Take one step of each working trajectory; see `stepping.integration.Solver`."""
        net = network(field, self.name)
        if net.layout.layers > 2:
            self._deep.advance(field, run, save)
            return
        leaving: dict[int, tuple[Status, str]] = {}
        for row in range(len(run.working)):
            problem = self._step(net, run, row, save)
            number = int(run.working[row])
            time = float(run.memory["time"][row])
            if problem is not None:
                leaving[row] = (problem, f"at t = {time:.9g}")
            elif time >= run.end:
                leaving[row] = (Status.OK, "")
            elif int(run.memory["stuck"][row]) > STORM:
                leaving[row] = (Status.EVENT_STORM, f"at t = {time:.9g}")
            elif run.counters["steps"][number] >= self.max_steps:
                leaving[row] = (Status.MAX_STEPS, f"{self.max_steps} steps took it to {time:g}")
        run.retire(leaving)

    def _step(
        self, net: NetworkField, run: Integration, row: int, save: SaveCallback
    ) -> Status | None:
        """Move one trajectory to its next event, or by one step; return why it cannot."""
        memory = run.memory
        flow, weights = self._locked(net, memory, row, memory["modes"][row].numpy())
        sliding = flow.sliding()
        begin = float(memory["time"][row])

        def velocity(_: float, flat: np.ndarray) -> np.ndarray:
            return flow.motion(weights.like(flat), sliding).velocity.flat()

        solver = DOP853(
            velocity,
            begin,
            weights.flat(),
            run.end,
            rtol=max(self.tolerance.rtol, 3e-14),
            atol=self.tolerance.atol,
            first_step=min(float(memory["step"][row]), run.end - begin),
        )
        with np.errstate(over="ignore", invalid="ignore"):
            failure = solver.step()
        number = int(run.working[row])
        run.counters["evaluations"][number] += solver.nfev
        if solver.status == "failed":
            return Status.STEP_UNDERFLOW if failure else Status.OVERFLOW
        dense = solver.dense_output()
        scale = float(memory["scale"][row])
        arrival, events = first_event(flow, weights, sliding, dense, begin, solver.t, scale)
        after = weights.like(dense(arrival) if events else solver.y)
        self._save(net, run, row, weights, dense, arrival, save)
        modes, signs = memory["modes"][row].numpy(), memory["signs"][row].numpy()
        after = self._met(flow, after, sliding, events)
        if events:
            self._change_modes(flow, after, sliding, events, modes, signs, run, number)
        else:
            memory["step"][row] = solver.h_abs
        state = pack(
            net,
            torch.from_numpy(after.first)[None],
            torch.from_numpy(after.second)[None],
            torch.from_numpy(after.bias)[None] if "c2" in net.layout.shapes else None,
        )
        memory["state"][row] = state[0]
        moved = arrival - begin > 1e-13 * max(begin, 1.0)
        zeta = np.abs(after.first @ flow.surfaces.directions[0].T).max()
        # Where weights decay, what was large before says nothing of rounding.
        memory["scale"][row] = float(zeta) if net.weight_decay else max(scale, float(zeta))
        memory["stuck"][row] = 0 if moved else memory["stuck"][row] + 1
        memory["time"][row] = arrival
        run.counters["steps"][number] += 1
        return None if np.isfinite(after.flat()).all() else Status.OVERFLOW

    @staticmethod
    def _locked(
        net: NetworkField, memory: dict[str, torch.Tensor], row: int, modes: np.ndarray | None
    ) -> tuple[LockedFlow, Weights]:
        """Return one trajectory's flow under its modes, and its weights."""
        row_field = net.select(torch.tensor([row]))
        state = memory["state"][row : row + 1]
        views = net.layout.views(state)
        outputs = net.layout.sizes[2]
        bias = views["c2"][0].numpy() if "c2" in views else np.zeros(outputs)
        weights = Weights(
            in_weights(net, state)[0].numpy().copy(), views["W2"][0].numpy().T.copy(), bias.copy()
        )
        surfaces = find_surfaces(augmented_inputs(row_field))
        if modes is None:
            modes = np.where(weights.first @ surfaces.directions[0].T > 0.0, 1, -1)
        signs = memory["signs"][row].numpy().copy()
        feedback = feedback_of(row_field)
        locked = LockedFlow(row_field, surfaces, feedback, modes.astype(np.int8), signs)
        return locked, weights

    @staticmethod
    def _first_modes(flow: LockedFlow, weights: Weights, run: Integration, row: int) -> np.ndarray:
        """Return the modes at time 0, with those of surfaces exactly at zero selected."""
        modes = flow.modes.copy()
        if flow.net.leak == 1.0:
            return modes
        zeta = weights.first @ flow.surfaces.directions[0].T
        motion = flow.motion(weights, [])
        for neuron in np.flatnonzero((zeta == 0.0).any(axis=1)).tolist():
            zero = np.flatnonzero(zeta[neuron] == 0.0)
            # They are treated as if they slid before: those not held take the side of their push.
            modes[neuron, zero] = 0
            modes[neuron], undecided = select(
                flow.surfaces.directions[0],
                zero,
                modes[neuron],
                motion.push[neuron],
                motion.offset[neuron],
                flow.net.leak,
            )
            number = int(run.working[row])
            run.counters["repelling"][number] += undecided
            run.counters["slidings"][number] += (modes[neuron] == 0).sum()
        return modes

    @staticmethod
    def _met(
        flow: LockedFlow,
        weights: Weights,
        sliding: list[tuple[int, np.ndarray, np.ndarray]],
        events: list[tuple[int, int, int]],
    ) -> Weights:
        """Return weights with sliding and just met surfaces exactly at zero, flipped v too."""
        first, second = weights.first.copy(), weights.second.copy()
        E, gram = flow.surfaces.directions[0], flow.surfaces.gram[0]
        at_zero = {neuron: set(members.tolist()) for neuron, members, _ in sliding}
        for kind, neuron, index in events:
            if kind == FREE:
                at_zero.setdefault(neuron, set()).add(index)
            elif kind == FLIP:
                second[neuron, index] = 0.0
        for neuron, surfaces in at_zero.items():
            members = np.array(sorted(surfaces))
            inverse = np.linalg.pinv(gram[np.ix_(members, members)], rcond=1e-10, hermitian=True)
            first[neuron] -= (inverse @ (E[members] @ first[neuron])) @ E[members]
        return Weights(first, second, weights.bias)

    @staticmethod
    def _change_modes(
        flow: LockedFlow,
        weights: Weights,
        sliding: list[tuple[int, np.ndarray, np.ndarray]],
        events: list[tuple[int, int, int]],
        modes: np.ndarray,
        signs: np.ndarray,
        run: Integration,
        number: int,
    ) -> None:
        """Let the neurons in question choose their modes, in place, and count."""
        counters = run.counters
        for kind, neuron, index in events:
            if kind == FLIP:
                signs[neuron, index] = -signs[neuron, index]
                counters["flips"][number] += 1
        turned = LockedFlow(flow.net, flow.surfaces, flow.feedback, flow.modes, signs)
        motion = turned.motion(weights, sliding)
        largest = np.abs(motion.push).max(axis=1)
        for neuron in sorted({neuron for _, neuron, _ in events}):
            events_of_neuron = [(kind, index) for kind, j, index in events if j == neuron]
            before = modes[neuron].copy()
            met = {index for kind, index in events_of_neuron if kind == FREE}
            for kind, index in events_of_neuron:
                if kind not in (UPPER, LOWER):
                    continue
                modes[neuron, index] = 1 if kind == UPPER else -1
                if abs(motion.push[neuron, index]) <= TURN * largest[neuron] or (
                    motion.push[neuron, index] >= 0.0
                ):
                    # G turns: from here on the surface repels, and slope alpha is the choice.
                    modes[neuron, index] = -1
                    counters["repelling"][number] += 1
            if met or any(kind == FLIP for kind, _ in events_of_neuron):
                at_zero = modes[neuron] == 0
                at_zero[[*met]] = True
                zero = np.flatnonzero(at_zero)
                modes[neuron], undecided = select(
                    flow.surfaces.directions[0],
                    zero,
                    modes[neuron],
                    motion.push[neuron],
                    motion.offset[neuron],
                    flow.net.leak,
                )
                counters["repelling"][number] += undecided
            after = modes[neuron]
            counters["slidings"][number] += ((before != 0) & (after == 0)).sum()
            counters["exits"][number] += ((before == 0) & (after != 0)).sum()
            counters["crossings"][number] += (before * after < 0).sum()

    @staticmethod
    def _save(
        net: NetworkField,
        run: Integration,
        row: int,
        weights: Weights,
        dense: Callable[[float], np.ndarray],
        arrival: float,
        save: SaveCallback,
    ) -> None:
        """Save the requested times up to `arrival` from the dense output."""
        number = int(run.working[row])
        first = int(run.next_save[number])
        times = run.save_times.numpy()
        passed = int(np.searchsorted(times, arrival, side="right"))
        if passed <= first:
            return
        run.next_save[number] = passed
        saved = [weights.like(dense(time)) for time in times[first:passed]]
        bias = torch.from_numpy(np.stack([state.bias for state in saved]))
        states = pack(
            net,
            torch.from_numpy(np.stack([state.first for state in saved])),
            torch.from_numpy(np.stack([state.second for state in saved])),
            bias if "c2" in net.layout.shapes else None,
        )
        save(run.working[row].repeat(passed - first), torch.arange(first, passed), states)


@SOLVERS.register(EventSolver.name)
def _make(settings: SolverSettings) -> EventSolver:
    settings.refuse_step(EventSolver.name)
    return EventSolver(settings.tolerance, settings.max_steps)

"""The event solver for several hidden layers: compiled, one trajectory after the other.

Between events the modes of all pairs are locked and the flow is smooth; the slopes of all pairs
that slide follow from one linear system at every evaluation (`sliding`). A step ends at its first
event, where the modes are chosen anew (`selection`). See docs/theory/deep.md.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flowfa.flow.base import Field
from flowfa.flow.field import NetworkField
from flowfa.flow.locked_modes.network import Network, network_of
from flowfa.flow.locked_modes.passes import Space, set_feedback, space_for
from flowfa.flow.locked_modes.selection import settle
from flowfa.flow.locked_modes.signs import signs_of
from flowfa.machine.compiled import announced, compiling_message
from flowfa.solvers.deep_event.loop import (
    ARRIVED,
    ERROR_SUM,
    GOING_ON,
    NEXT_SAVE,
    NO_CHOICE,
    NO_ROOM,
    OVERFLOW,
    STEP,
    TIME,
    TOO_MANY_EVENTS,
    UNDERFLOW,
    integrate,
)
from flowfa.solvers.deep_event.scales import update_sizes
from flowfa.solvers.stepping.continuing import reach_of_step
from flowfa.solvers.stepping.controller import Tolerance
from flowfa.solvers.stepping.integration import (
    ERROR_ESTIMATE,
    EVENT_COUNTERS,
    Integration,
    SaveCallback,
)
from flowfa.solvers.stepping.status import Status

STEPS_AT_ONCE = 50
"""Accepted steps of a trajectory in one call."""
ROOM = 64
"""States at save times that one call may hand back; more where one step passes more."""
FIRST_STEP = 1e-2
"""The first step moves the fastest matrix by about this share of its size."""
COUNTERS = ("steps", "rejected", "evaluations", *EVENT_COUNTERS)
_ENDS = {
    ARRIVED: Status.OK,
    UNDERFLOW: Status.STEP_UNDERFLOW,
    OVERFLOW: Status.OVERFLOW,
    NO_CHOICE: Status.EVENT_STORM,
    TOO_MANY_EVENTS: Status.EVENT_STORM,
}


@dataclass(frozen=True)
class _Prepared:
    """What follows from a field: the networks of its rows, and where their passes write."""

    field: NetworkField
    networks: list[Network]
    spaces: list[Space]


class DeepEventSolver:
    """Integrates networks of several hidden layers from event to event.

    Parameters
    ----------
    tolerance : Tolerance
        Only ``rtol`` is used: errors are measured against the largest weight of each matrix.
    max_steps : int
        Steps after which a trajectory ends with `Status.MAX_STEPS`.
    """

    name = "event"

    def __init__(self, tolerance: Tolerance, max_steps: int) -> None:
        self.tolerance = tolerance.rtol
        self.max_steps = max_steps
        self.most_steps = STEPS_AT_ONCE
        # It follows from the field alone, and is kept because merging samples takes time.
        self._prepared: _Prepared | None = None

    def start(self, field: Field, run: Integration) -> None:
        """Find the modes at time 0, and the first steps."""
        prepared = self._prepare(field)
        memory = run.memory
        del memory["velocity"]
        for name in (*EVENT_COUNTERS, ERROR_ESTIMATE):
            run.counters[name][run.working.numpy()] = 0
        rows = []
        for row, net in enumerate(prepared.networks):
            state = memory["state"][row].numpy().copy()
            rows.append(_first(net, prepared.spaces[row], state, run.end))
            modes = np.zeros(net.targets.shape[1] * int(net.sizes[1:-1].sum()), np.int8)
            modes[: len(rows[-1]["modes"])] = rows[-1]["modes"]
            rows[-1]["modes"] = modes
        for name in rows[0]:
            memory[name] = torch.from_numpy(np.stack([entries[name] for entries in rows]))
        stuck = memory.pop("undecided").numpy()
        run.retire(
            {
                row: (Status.EVENT_STORM, "at t = 0")
                for row in np.flatnonzero(stuck.ravel()).tolist()
            }
        )

    def step_by_step(self) -> DeepEventSolver:
        """Return the solver that comes back after each step; see `stepping.integration`."""
        solver = copy(self)
        solver.most_steps = 1
        return solver

    def reach(self, run: Integration) -> Tensor:
        """Return how far the next steps go; see `stepping.continuing.Reaching`."""
        return reach_of_step(run)

    def advance(self, field: Field, run: Integration, save: SaveCallback) -> None:
        """Take some steps of each working trajectory; see `stepping.integration.Solver`."""
        prepared = self._prepare(field)
        memory = {name: value.numpy() for name, value in run.memory.items()}
        save_times, working = run.save_times.numpy(), run.working.numpy()
        count = np.zeros((len(working), len(COUNTERS)), np.int64)
        errors = run.counters[ERROR_ESTIMATE][working]
        numbers = np.stack([memory["time"], memory["step"], errors, run.next_save[working]], axis=1)
        saved: list[np.ndarray] = [np.empty(0)] * len(working)
        ends = np.zeros(len(working), np.int64)

        def move(row: int) -> None:
            room = ROOM
            while True:
                states = np.empty((room, memory["state"].shape[1]))
                ends[row], written = integrate(
                    prepared.networks[row],
                    prepared.spaces[row],
                    self.tolerance,
                    run.end,
                    self.most_steps,
                    save_times,
                    memory["state"][row],
                    # Trajectories with samples of their own may have fewer pairs than others.
                    memory["modes"][row][: int(prepared.networks[row].pair_at[-1])],
                    memory["signs"][row],
                    memory["sizes"][row],
                    numbers[row],
                    count[row],
                    states,
                )
                saved[row] = states[:written]
                if ends[row] != NO_ROOM or written > 0:
                    return
                room *= 4

        threads = torch.get_num_threads()
        if threads == 1 or len(working) == 1:
            for row in range(len(working)):
                move(row)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(move, range(len(working))))
        memory["time"][:], memory["step"][:] = numbers[:, TIME], numbers[:, STEP]
        for index, name in enumerate(COUNTERS):
            run.count(name, count[:, index])
        # Not added up by calls: a sum must not depend on where they end.
        run.counters[ERROR_ESTIMATE][working] = numbers[:, ERROR_SUM]
        for row, states in enumerate(saved):
            if len(states):
                last = int(numbers[row, NEXT_SAVE])
                saves = torch.arange(last - len(states), last)
                run.next_save[working[row]] = last
                save(run.working[row].repeat(len(states)), saves, torch.from_numpy(states))
        self._retire(run, ends)

    def _prepare(self, field: Field) -> _Prepared:
        """Return what follows from the field; it is kept while the field is the same."""
        last = self._prepared
        if last is not None and last.field is field:
            return last
        assert isinstance(field, NetworkField)
        rows = sum(group.stop - group.start for group in field.groups)
        networks = [network_of(field, row) for row in range(rows)]
        self._prepared = _Prepared(field, networks, [space_for(net) for net in networks])
        return self._prepared

    def _retire(self, run: Integration, ends: np.ndarray) -> None:
        """Let trajectories leave that have arrived, or can go no further."""
        leaving: dict[int, tuple[Status, str]] = {}
        time, rows = run.memory["time"].numpy(), run.working.numpy()
        for position, end in enumerate(ends.tolist()):
            steps = run.counters["steps"][rows[position]] + run.counters["rejected"][rows[position]]
            if end not in (GOING_ON, NO_ROOM):
                status = _ENDS[end]
                leaving[position] = (
                    status,
                    "" if status is Status.OK else f"at t = {time[position]:.9g}",
                )
            elif steps >= self.max_steps:
                reached = f"{self.max_steps} steps took it to {time[position]:g}"
                leaving[position] = (Status.MAX_STEPS, reached)
        run.retire(leaving)


def _first(net: Network, space: Space, state: np.ndarray, end: float) -> dict[str, np.ndarray]:
    """Return the memory of one trajectory at its start."""
    signs = signs_of(net, state)
    set_feedback(net, signs, space.feedback)
    modes, velocity = np.zeros(int(net.pair_at[-1]), np.int8), np.zeros_like(state)
    with announced(compiling_message(integrate, seconds=60), after=4.0):
        at_zero = np.zeros(len(modes), np.bool_)
        chosen = settle(net, space, state, modes, at_zero, velocity, True)[0]
    sizes, speeds = np.zeros((len(net.sizes), 2)), np.zeros((len(net.sizes), 2))
    update_sizes(net, state, sizes)
    update_sizes(net, velocity, speeds)
    # A matrix of zeros has no size that its velocity could be a share of.
    both = (sizes > 0.0) & (speeds > 0.0)
    longest = float((sizes[both] / speeds[both]).min()) if both.any() else end
    step = np.array(min(FIRST_STEP * longest, end / 10.0))
    return {
        "modes": modes,
        "signs": signs,
        "sizes": sizes,
        "step": step,
        "undecided": np.array([chosen < 0]),
    }

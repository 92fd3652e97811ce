"""The solver's memory along the trajectories, from which any stretch is integrated once more.

A check looks at more times where a verdict is open. To integrate from the start for each look
takes most of the time of all verdicts; from the last step before the new time it takes one step.
All steps of all trajectories that are looked at again go forward together, as rows of one batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flowfa.flow.base import Field
from flowfa.solvers.stepping.integration import Integration, SaveCallback, Solver
from flowfa.solvers.stepping.solve import solve
from flowfa.solvers.stepping.status import Status

MOST_BYTES = 2**27
"""Memory for the waypoints of a rung; beyond it every other one is dropped."""
BATCH_BYTES = 2**25
"""Memory of the waypoints that go forward together."""


@dataclass(frozen=True)
class _Stop:
    """Waypoints that were taken at the same round of steps, one for each row.

    Attributes
    ----------
    trajectories, steps : numpy.ndarray
        Which trajectory, and how many steps it had taken, (row,).
    time : numpy.ndarray
        (row,).
    memory : dict of Tensor
        The solver's, with a leading dimension of rows.
    """

    trajectories: np.ndarray
    steps: np.ndarray
    time: np.ndarray
    memory: dict[str, Tensor]

    def select(self, rows: np.ndarray) -> _Stop:
        """Return some rows."""
        chosen = torch.from_numpy(rows)
        return _Stop(
            self.trajectories[rows],
            self.steps[rows],
            self.time[rows],
            {name: value[chosen] for name, value in self.memory.items()},
        )

    @property
    def bytes(self) -> int:
        """The memory that it takes."""
        return sum(value.numel() * value.element_size() for value in self.memory.values())


class Waypoints:
    """A solver that remembers where it came by.

    It moves trajectories as the solver that it is given does, and takes that solver's memory at the
    start and at the end of each step, or of every second, fourth ... where memory is short.

    Parameters
    ----------
    solver : Solver
    field : Field
        With a row for each trajectory.

    Attributes
    ----------
    complete : bool
        Whether all memory could be taken; a solver made of solvers has rows for each part.
    bytes : int
        The memory that the waypoints take.
    """

    def __init__(self, solver: Solver, field: Field) -> None:
        self.name = solver.name
        self.complete = True
        self._solver, self._field, self._end = solver, field, 0.0
        self._stops: list[_Stop] = []
        self._stride, self.bytes = 1, 0
        self._steps = np.zeros(0, dtype=np.int64)
        self._latest = np.zeros(0)

    def start(self, field: Field, run: Integration) -> None:
        """Start the solver, and remember its start."""
        self._solver.start(field, run)
        trajectories = len(run.state)
        self._steps = np.full(trajectories, -1)
        self._latest = np.full(trajectories, -np.inf)
        self._end = run.end
        self._remember(run)

    def advance(self, field: Field, run: Integration, save: SaveCallback) -> None:
        """Advance the solver, and remember where trajectories got."""
        self._solver.advance(field, run, save)
        self._remember(run)

    def states(self, rows: Tensor, times: Tensor, until: Tensor) -> Tensor:
        """Return states at more times, by integrating from the waypoints before them.

        Parameters
        ----------
        rows : Tensor
            Trajectories, increasing, (row,).
        times : Tensor
            Increasing and positive, (time,).
        until : Tensor
            Time up to which each of `rows` is wanted, none beyond what the solver reached, (row,).

        Returns
        -------
        Tensor
            (row, time, parameter); NaN beyond `until`.
        """
        parameters = self._stops[0].memory["state"].shape[1]
        states = torch.full((len(rows), len(times), parameters), torch.nan, dtype=torch.float64)
        for batch in self._batches(self._stretches(rows, times, until)):
            self._go(batch, rows, times, states)
        return states

    def _remember(self, run: Integration) -> None:
        """Take the memory of those who moved since it was taken last."""
        if not len(run.working):
            return
        rows = run.working.numpy()
        time = run.memory["time"].numpy()
        moved = time > self._latest[rows]
        self._latest[rows] = time
        self._steps[rows] += moved
        taken = np.flatnonzero(moved & (self._steps[rows] % self._stride == 0))
        if not len(taken):
            return
        if any(len(value) != len(rows) for value in run.memory.values()):
            self.complete = False
            return
        chosen = torch.from_numpy(taken)
        stop = _Stop(
            rows[taken],
            self._steps[rows[taken]],
            time[taken],
            {name: value[chosen] for name, value in run.memory.items()},
        )
        self._stops.append(stop)
        self.bytes += stop.bytes
        while self.bytes > MOST_BYTES and len(self._stops) > 1:
            self._thin_out()

    def _thin_out(self) -> None:
        self._stride *= 2
        kept = (stop.select(np.flatnonzero(stop.steps % self._stride == 0)) for stop in self._stops)
        self._stops = [stop for stop in kept if len(stop.steps)]
        self.bytes = sum(stop.bytes for stop in self._stops)

    def _stretches(self, rows: Tensor, times: Tensor, until: Tensor) -> list[_Stretch]:
        """Return from which waypoints to go, and how far."""
        passed: dict[int, list[tuple[float, int, int]]] = {row: [] for row in rows.tolist()}
        for number, stop in enumerate(self._stops):
            for position, row in enumerate(stop.trajectories.tolist()):
                if row in passed:
                    passed[row].append((float(stop.time[position]), number, position))
        stretches = []
        for index, (row, limit) in enumerate(zip(rows.tolist(), until.tolist(), strict=True)):
            wanted = times[times <= limit].numpy()
            begins = np.array([time for time, _, _ in passed[row]])
            # The state at the end of a step belongs to that step.
            before = np.searchsorted(begins, wanted, side="left") - 1
            for waypoint in np.unique(before).tolist():
                last = float(wanted[before == waypoint][-1])
                _, number, position = passed[row][waypoint]
                stretches.append(_Stretch(index, self._stops[number], position, last))
        return stretches

    @staticmethod
    def _batches(stretches: list[_Stretch]) -> Iterator[list[_Stretch]]:
        """Give stretches that go together: alike in what is remembered, and not too many."""
        kinds: dict[tuple[str, ...], list[_Stretch]] = {}
        for stretch in stretches:
            kinds.setdefault(tuple(stretch.stop.memory), []).append(stretch)
        for alike in kinds.values():
            stop = alike[0].stop
            most = max(1, BATCH_BYTES * len(stop.steps) // stop.bytes)
            for first in range(0, len(alike), most):
                yield alike[first : first + most]

    def _go(self, batch: list[_Stretch], asked: Tensor, times: Tensor, result: Tensor) -> None:
        """Integrate some stretches, and enter the states at the times in them."""
        memory = {
            name: torch.stack([stretch.stop.memory[name][stretch.position] for stretch in batch])
            for name in batch[0].stop.memory
        }
        run = Integration.going_on(memory, times, self._end)
        index = torch.tensor([stretch.index for stretch in batch])
        last = torch.tensor([stretch.last for stretch in batch], dtype=times.dtype)

        def save(rows: Tensor, saves: Tensor, states: Tensor) -> None:
            wanted = run.save_times[saves] <= last[rows]
            # The first save time is 0, which nobody asks for.
            result[index[rows[wanted]], saves[wanted] - 1] = states[wanted]

        def end_stretches(run: Integration) -> None:
            arrived = run.memory["time"] >= last[run.working]
            run.retire({i: (Status.OK, "") for i in arrived.nonzero().flatten().tolist()})

        solve(self._field.select(asked[index]), run, self._solver, save, end_stretches)


@dataclass(frozen=True)
class _Stretch:
    """A part of a trajectory that is integrated once more.

    Attributes
    ----------
    index : int
        Of the trajectory among those asked for.
    stop : _Stop
    position : int
        Of the waypoint where it begins, in `stop`.
    last : float
        The time up to which it is wanted.
    """

    index: int
    stop: _Stop
    position: int
    last: float

"""Evidence, which checks look at: dense states at several accuracies, and the record."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from flowfa.flow.base import Field
from flowfa.flow.field import NetworkField
from flowfa.flow.network_flow import NetworkFlow
from flowfa.flow.sliding import sliding_velocity
from theory_checks.evidence.course import Course
from theory_checks.evidence.early_ends import EarlyEnd, early_ends
from theory_checks.evidence.networks import Networks, Quantity
from theory_checks.evidence.rungs import Rung
from theory_checks.evidence.steps import Training
from theory_checks.evidence.trajectory import Path, integrate

ROUNDING = 1e-12
"""Share of a quantity's terms that rounding may make up, after thousands of operations."""
FEW_ITEMS = 8
"""Most columns of a quantity that is remembered: few enough to keep for all times."""
CHUNK_NUMBERS = 2**19
"""Parameters of all networks that are measured in one call: few enough for a cache to help."""


@dataclass(frozen=True)
class Record:
    """The contents of a result file, for each trajectory.

    Attributes
    ----------
    states : Tensor
        The weights that were stored, (trajectory, snapshot, parameter).
    outside_norm2 : Tensor
        Squared norms of their W_1 outside the span of the data, (trajectory, snapshot, n_1).
    snapshot_time : Tensor
        (trajectory, snapshot); NaN where not reached.
    time : Tensor
        Times of the observables, (save,).
    observables : dict of Tensor
        Group /trajectory and ``conserved`` by name, (trajectory, save, ...).
    rounding : float
        Share of a quantity's terms that rounding may make up, in the precision of the run.
    """

    states: Tensor
    outside_norm2: Tensor
    snapshot_time: Tensor
    time: Tensor
    observables: dict[str, Tensor]
    rounding: float = ROUNDING

    def select(self, rows: Tensor) -> Record:
        """Return the record of some trajectories."""
        return Record(
            self.states[rows],
            self.outside_norm2[rows],
            self.snapshot_time[rows],
            self.time,
            {name: values[rows] for name, values in self.observables.items()},
            self.rounding,
        )


@dataclass(frozen=True)
class Evidence:
    """A run, and the means to look at it more closely.

    Attributes
    ----------
    flow : NetworkFlow
        The flow that the run claims to be: problem, rules, feedback. Statements are about it.
    motion : Field
        The field that moves the networks, with a row for each trajectory of `flow`; that of `flow`
        itself, except in negative controls.
    initial : Tensor
        States at time 0, (trajectory of `flow`, parameter).
    rungs : tuple of Rung
        Solvers from coarse to fine, at least two.
    run_rung : int
        Index of the rung on which the run itself was integrated.
    times : Tensor
        The mesh, (time,), of odd length: the times of odd index are midpoints of their neighbours.
    rows : Tensor
        The trajectories looked at, increasing, (trajectory,).
    reached : Tensor
        Time of the run's last good state of each, (trajectory,).
    record : Record or None
        The contents of the file, for each trajectory; None if there is no file.
    label : str
        The name of the run, for messages.
    note : str
        A remark on the run for the reader, such as that it is not finished.
    training : Training or None
        The steps of a run of discrete training, which has no rungs; None: the run is a flow.
    """

    flow: NetworkFlow
    motion: Field
    initial: Tensor
    rungs: tuple[Rung, ...]
    run_rung: int
    times: Tensor
    rows: Tensor
    reached: Tensor
    record: Record | None = None
    label: str = "flow"
    note: str = ""
    training: Training | None = None

    def __len__(self) -> int:
        """Return the number of trajectories looked at."""
        return len(self.rows)

    @property
    def rules(self) -> tuple[str, ...]:
        """The rule of each trajectory."""
        return tuple(self.flow.rules[row] for row in self.rows.tolist())

    def under(self, *rules: str) -> Tensor:
        """Return which trajectories follow one of some rules, (trajectory,) bool."""
        return torch.tensor([rule in rules for rule in self.rules])

    def for_all(self, condition: bool) -> Tensor:
        """Return a condition that is the same for all trajectories, (trajectory,) bool."""
        return torch.full((len(self),), condition)

    @cached_property
    def field(self) -> NetworkField:
        """The claimed field of the trajectories looked at."""
        return self.flow.field.select(self.rows)

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        """The trajectories on the mesh, as each rung finds them; integrated when first asked."""
        moving, start = self.motion.select(self.rows), self.initial[self.rows]
        known: tuple[Path, ...] = self.__dict__.get("coarser_paths", ())
        paths = list(known)
        for rung in self.rungs[len(known) :]:
            path = integrate(moving, start, self.times, rung.make(), self.reached)
            paths.append(path)
            ends = early_ends(path, rung.label, self.rows, self.times, self.reached)
            self.ended.extend(ends)
        return tuple(paths)

    @cached_property
    def ended(self) -> list[EarlyEnd]:
        """What ended early on a rung, also of `moved_by`; known once paths are integrated."""
        return []

    @cached_property
    def valid(self) -> Tensor:
        """The intervals (between times of even index) that were reached, (trajectory, interval)."""
        return self.times[2::2] <= self.reached[:, None]

    @cached_property
    def velocities(self) -> Tensor:
        """dtheta/dt on the finest rung, (trajectory, time, parameter), when first asked."""
        return self._velocities_on(self.paths[-1])

    def select(self, positions: Tensor) -> Evidence:
        """Return the evidence on some trajectories, by increasing position."""
        if len(positions) == len(self):
            return self
        chosen = dataclasses.replace(
            self,
            rows=self.rows[positions],
            reached=self.reached[positions],
            record=None if self.record is None else self.record.select(positions),
        )
        if "paths" in self.__dict__:
            chosen.__dict__["paths"] = tuple(path.select(positions) for path in self.paths)
            chosen.__dict__["ended"] = list(self.ended)
        elif "coarser_paths" in self.__dict__:
            coarser: tuple[Path, ...] = self.__dict__["coarser_paths"]
            chosen.__dict__["coarser_paths"] = tuple(path.select(positions) for path in coarser)
            chosen.__dict__["ended"] = list(self.ended)
        if "velocities" in self.__dict__:
            chosen.__dict__["velocities"] = self.velocities[positions]
        return chosen

    def closer(self) -> Evidence | None:
        """Return the evidence with a finer rung more; None if there can be none."""
        rung = self.rungs[-1].closer() if self.rungs else None
        if rung is None:
            return None
        closer = dataclasses.replace(self, rungs=(*self.rungs, rung))
        if "paths" in self.__dict__:
            closer.__dict__["coarser_paths"] = self.paths
            closer.__dict__["ended"] = list(self.ended)
        return closer

    def refined(self, intervals: Tensor) -> Evidence:
        """Return evidence that looks twice as often at some intervals, (interval,) bool."""
        fine = torch.stack([self.times[:-1], self.times[1:]], 1).mean(1)
        added = fine[intervals.repeat_interleave(2)]
        refined = dataclasses.replace(self, times=torch.cat([self.times, added]).sort().values)
        if "paths" in self.__dict__:
            paths = [path.looked_at(self.times, added, self.reached) for path in self.paths]
            if all(path is not None for path in paths):
                refined.__dict__["paths"] = tuple(paths)
                refined.__dict__["ended"] = list(self.ended)
        return refined

    def moved_by(self, motion: Field, initial: Tensor) -> Evidence:
        """Return evidence on another motion, which may have more unknowns behind the parameters.

        The evidence has no record, because the stored states belong to the motion before. Solvers
        that follow networks alone give way to one that follows any field.

        Parameters
        ----------
        motion : Field
            With a row for each trajectory of `flow`.
        initial : Tensor
            States of the motion at time 0, the parameters first.
        """
        rungs = self.rungs
        if not isinstance(motion, NetworkField):
            rungs = tuple(
                rung if rung.of_any_field is None else rung.of_any_field() for rung in rungs
            )
        moved = dataclasses.replace(self, motion=motion, initial=initial, record=None, rungs=rungs)
        # Whoever asks why there is no margin knows this evidence, not that of the other motion.
        moved.__dict__["ended"] = self.ended
        return moved

    def without_record(self) -> Evidence:
        """Return the evidence on the motion alone, for what needs more than stored weights."""
        if self.record is None:
            return self
        alone = dataclasses.replace(self, record=None)
        for name in ("paths", "coarser_paths", "ended", "velocities"):
            if name in self.__dict__:
                alone.__dict__[name] = self.__dict__[name]
        return alone

    def along(self, quantity: Quantity) -> Course:
        """Measure a quantity and its rate along the trajectories.

        A quantity of few items is measured once and remembered; it is known by its function.
        """
        known: dict[Quantity, Course] = self.__dict__.setdefault("_known", {})
        if quantity in known:
            return known[quantity]
        course = self._along(quantity)
        if course.values.shape[2] <= FEW_ITEMS:
            known[quantity] = course
        return course

    def _along(self, quantity: Quantity) -> Course:
        values, rates = self._measure(quantity, self.paths[-1], self.velocities)
        coarser = self.values(quantity, -2)
        on_run_rung = (
            values if self.run_rung == len(self.rungs) - 1 else self.values(quantity, self.run_rung)
        )
        return Course(values, rates, coarser, on_run_rung)

    def at_start(self) -> Networks:
        """Return the networks at time 0, a row for each trajectory."""
        return Networks(
            self.field,
            self.initial[self.rows],
            self.flow.span.outside_norm2[self.rows],
            torch.zeros(len(self)),
        )

    def values(self, quantity: Quantity, rung: int = -1) -> Tensor:
        """Measure a quantity alone on a rung, by default the finest, (trajectory, time, item).

        It is remembered as `along` remembers a course.
        """
        known: dict[tuple[Quantity, int], Tensor] = self.__dict__.setdefault("_known_values", {})
        key = quantity, rung % len(self.rungs)
        if key in known:
            return known[key]
        values = self._measure(quantity, self.paths[rung])[0]
        if values.shape[2] <= FEW_ITEMS:
            known[key] = values
        return values

    def derived(self, function: Callable[[Evidence], Tensor]) -> Tensor:
        """Return what a function makes of the evidence, which several statements ask for."""
        known: dict[Callable[[Evidence], Tensor], Tensor]
        known = self.__dict__.setdefault("_derived", {})
        if function not in known:
            known[function] = function(self)
        return known[function]

    def rates_on_run_rung(self, quantity: Quantity) -> Tensor:
        """Measure dq/dt on the run's own rung, (trajectory, time, item)."""
        path = self.paths[self.run_rung]
        return self._measure(quantity, path, self._velocities_on(path))[1]

    def in_record(self, quantity: Quantity) -> Tensor:
        """Measure a quantity of the weights in the file, (trajectory, snapshot, item)."""
        assert self.record is not None
        trajectories, snapshots = self.record.snapshot_time.shape
        rows = torch.arange(trajectories).repeat_interleave(snapshots)
        networks = Networks(
            self.field.select(rows),
            self.record.states.flatten(0, 1),
            self.record.outside_norm2.flatten(0, 1),
            self.record.snapshot_time.flatten(),
        )
        with torch.no_grad():
            return quantity(networks).unflatten(0, (trajectories, snapshots))

    def _measure(
        self, quantity: Quantity, path: Path, velocities: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Measure states of a path, with rates if there are velocities, in parts that fit."""
        times = path.states.shape[1]
        outside = self.flow.span.outside_norm2[self.rows]
        values, rates = [], []
        with torch.no_grad():
            for indices in self._parts(path):
                rows = indices // times
                field = self.field.select(rows)
                state = path.states.flatten(0, 1)[indices]
                time = self.times[indices % times]
                outside_of_rows = outside[rows]
                start = self.initial[self.rows][rows]

                def at(
                    state: Tensor,
                    time: Tensor,
                    field: NetworkField = field,
                    outside_of_rows: Tensor = outside_of_rows,
                    start: Tensor = start,
                ) -> Tensor:
                    return quantity(Networks(field, state, outside_of_rows, time, start))

                if velocities is None:
                    values.append(at(state, time))
                else:
                    value, rate = _with_rate(at, state, time, velocities.flatten(0, 1)[indices])
                    values.append(value)
                    rates.append(rate)
        shape = path.states.shape[:2]
        measured = torch.cat(values).unflatten(0, shape)
        return measured, torch.cat(rates).unflatten(0, shape) if rates else measured

    def _velocities_on(self, path: Path) -> Tensor:
        """Return the velocity at each state of a path."""
        moving = self.motion.select(self.rows)
        times = path.states.shape[1]
        velocities = torch.empty_like(path.states)
        with torch.no_grad():
            for indices in self._parts(path):
                state, time = path.states.flatten(0, 1)[indices], self.times[indices % times]
                velocity = _velocity(moving.select(indices // times), time, state)
                velocities.view(-1, velocities.shape[2])[indices] = velocity
        return velocities

    @staticmethod
    def _parts(path: Path) -> tuple[Tensor, ...]:
        """Split the states of a path, flattened, into parts that are measured together."""
        trajectories, times, parameters = path.states.shape
        return torch.arange(trajectories * times).split(max(1, CHUNK_NUMBERS // parameters))


def _velocity(motion: Field, time: Tensor, state: Tensor) -> Tensor:
    if isinstance(motion, NetworkField):
        return sliding_velocity(motion, state)
    return motion(time, state)


def _with_rate(
    function: Callable[[Tensor, Tensor], Tensor], state: Tensor, time: Tensor, velocity: Tensor
) -> tuple[Tensor, Tensor]:
    """Return a function of state and time, and its derivative along a velocity.

    Two backward passes give it. `torch.func.jvp` would take one forward, but each of its products
    with a constant is traced in Python, which takes longer than both where networks are small, and
    loads torch's compiler.
    """
    tangents = velocity, torch.ones_like(time)
    value, rate = torch.autograd.functional.jvp(function, (state, time), tangents)
    assert isinstance(value, Tensor) and isinstance(rate, Tensor)
    return value, rate

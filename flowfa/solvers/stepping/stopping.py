"""Trajectories that stop where the loss, the gradient or the alignment reaches a value.

The time is found on the solver's own dense output, whatever the solver: the advance in which a step
was accepted is made once more, with times within the step as save times. Solvers choose their steps
without looking at those, and a trajectory does not depend on the others, so that it is the same
step, looked at more closely.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from flowfa.errors import InputError
from flowfa.flow.base import Field
from flowfa.flow.field import NetworkField
from flowfa.flow.measured import MeasuredState
from flowfa.flow.observables import alignment
from flowfa.solvers.stepping.integration import (
    Integration,
    SaveCallback,
    Solver,
    StepByStep,
)
from flowfa.solvers.stepping.status import Status

PIECES = 32
"""Parts that a stretch of a step is cut into, again and again, until a moment is left."""
PROBE = 1e-6
"""Share of the state that is moved to see whether a quantity falls."""
SHORTEST = 1e-7
"""Share of a step within which a dip that reaches nothing is not looked at more closely."""


@dataclass(frozen=True)
class Condition:
    """A value that ends a trajectory when it is reached.

    Attributes
    ----------
    setting : str
        That gave it: ``until_loss``, ``until_gradient`` or ``until_alignment``.
    threshold : float
    """

    setting: str
    threshold: float

    @property
    def status(self) -> Status:
        """How a trajectory ends that reaches it."""
        return _MEASURED[self.setting][0]

    def excess(self, measured: MeasuredState) -> Tensor:
        """Return how far each row is from it, (row,): not above 0 where it is reached."""
        _, sign, quantity = _MEASURED[self.setting]
        return sign * (quantity(measured) - self.threshold)


def _loss(measured: MeasuredState) -> Tensor:
    return measured.field.loss.value(measured.output, measured.field.targets).mean(1)


def _gradient_norm(measured: MeasuredState) -> Tensor:
    return measured.steepest.norm(dim=1)


def _least_alignment(measured: MeasuredState) -> Tensor:
    """Return the least cos(W_l, B_l^T) of the layers that have one, infinite if none has."""
    cosines = alignment(measured.field, measured.forward)
    return cosines.nan_to_num(nan=torch.inf).amin(1)


_MEASURED: dict[str, tuple[Status, float, Callable[[MeasuredState], Tensor]]] = {
    "until_loss": (Status.LOSS_REACHED, 1.0, _loss),
    "until_gradient": (Status.GRADIENT_REACHED, 1.0, _gradient_norm),
    "until_alignment": (Status.ALIGNMENT_REACHED, -1.0, _least_alignment),
}
"""By setting: the status, whether the quantity comes from above, and the quantity."""


class Stopping:
    """A solver whose trajectories stop where one of some conditions is reached.

    After each accepted step the conditions are looked at, at its end, at the saved times in it,
    and, where a quantity fell at the step's beginning and rises at its end, at the lowest point
    between.

    Parameters
    ----------
    solver : Solver
    conditions : tuple of Condition
    """

    def __init__(self, solver: Solver, conditions: tuple[Condition, ...]) -> None:
        self.name = solver.name
        # A quantity that falls and rises again is seen from one step's beginning and end.
        self.solver = solver.step_by_step() if isinstance(solver, StepByStep) else solver
        self._conditions = conditions

    def start(self, field: Field, run: Integration) -> None:
        """Start the solver; trajectories that are there already stop at once."""
        self.solver.start(field, run)
        memory = run.memory
        memory["until"], memory["until_falls"] = self._look(field, memory["state"])
        there = (memory["until"] <= 0.0).any(1)
        run.retire(
            {
                position: self._ending(memory["until"][position], memory["time"][position])
                for position in there.nonzero().flatten().tolist()
            }
        )

    def advance(self, field: Field, run: Integration, save: SaveCallback) -> None:
        """Advance the solver, and stop the trajectories that reached a condition on the way."""
        working = run.working
        before = {name: value.clone() for name, value in run.memory.items()}
        held: list[tuple[Tensor, Tensor, Tensor]] = []

        def hold(rows: Tensor, saves: Tensor, states: Tensor) -> None:
            held.append((rows, saves, states))

        self.solver.advance(field, run, hold)
        staying = torch.isin(working, run.working)
        state, time = run.state[working], run.time[working]
        state[staying], time[staying] = run.memory["state"], run.memory["time"]
        moved = (time > before["time"]).nonzero().flatten()
        stops: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        if len(moved):
            excess, falls = before["until"].clone(), before["until_falls"].clone()
            excess[moved], falls[moved] = self._look(field.select(moved), state[moved])
            suspects = (excess <= 0.0).any(1) | (before["until_falls"] & ~falls).any(1)
            suspects[self._reached_at_saves(field, working, held)] = True
            for position in suspects.nonzero().flatten().tolist():
                step = _Step(self, field, run, before, position, time[position])
                stop = step.first_reached()
                if stop is None and bool((excess[position] <= 0.0).any()):
                    stop = time[position], state[position], excess[position]
                if stop is not None:
                    stops[position] = stop
            run.memory["until"], run.memory["until_falls"] = excess[staying], falls[staying]
        self._hand_out(run, working, stops, held, save)
        self._stop(run, working, stops)

    def _look(self, field: Field, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return how far rows are from each condition, and whether they come nearer."""
        measured = _measured(field, state)
        excess = self.excess(measured)
        velocity = measured.velocity
        size = state.norm(dim=1, keepdim=True) / velocity.norm(dim=1, keepdim=True)
        ahead = state + torch.where(size.isfinite(), PROBE * size, 0.0) * velocity
        return excess, self.excess(_measured(field, ahead)) < excess

    def excess(self, measured: MeasuredState) -> Tensor:
        """Return how far rows are from each condition, (row, condition)."""
        return torch.stack([condition.excess(measured) for condition in self._conditions], 1)

    def _reached_at_saves(
        self, field: Field, working: Tensor, held: list[tuple[Tensor, Tensor, Tensor]]
    ) -> list[int]:
        """Return the positions of rows that reached a condition at a save time of their step."""
        reached = []
        for rows, _, states in held:
            positions = torch.searchsorted(working, rows)
            excess = self.excess(_measured(field.select(positions), states))
            reached += positions[(excess <= 0.0).any(1)].tolist()
        return reached

    @staticmethod
    def _hand_out(
        run: Integration,
        working: Tensor,
        stops: dict[int, tuple[Tensor, Tensor, Tensor]],
        held: list[tuple[Tensor, Tensor, Tensor]],
        save: SaveCallback,
    ) -> None:
        """Save what was passed before the stops, and forget what was passed after them."""
        last = torch.full_like(run.time, torch.inf)
        for position, (time, _, _) in stops.items():
            row = int(working[position])
            last[row] = time
            passed = int((run.save_times <= time).sum())
            run.next_save[row] = min(int(run.next_save[row]), passed)
        for rows, saves, states in held:
            kept = run.save_times[saves] <= last[rows]
            if kept.any():
                save(rows[kept], saves[kept], states[kept])

    def _stop(
        self,
        run: Integration,
        working: Tensor,
        stops: dict[int, tuple[Tensor, Tensor, Tensor]],
    ) -> None:
        """Let trajectories leave that stopped, also those that the solver itself let leave."""
        leaving: dict[int, tuple[Status, str]] = {}
        for position, (time, state, excess) in stops.items():
            row = working[position]
            ending = self._ending(excess, time)
            here = (run.working == row).nonzero().flatten()
            if len(here):
                run.memory["state"][here], run.memory["time"][here] = state, time
                leaving[int(here)] = ending
            else:
                run.state[row], run.time[row] = state, time
                run.status[int(row)], run.detail[int(row)] = ending
        run.retire(leaving)

    def _ending(self, excess: Tensor, time: Tensor) -> tuple[Status, str]:
        """Return the status of a trajectory that stops, and what the message adds."""
        condition = self._conditions[int(excess.argmin())]
        return condition.status, f"{condition.threshold:g} at t = {float(time):.9g}"


class _Step:
    """The step that a trajectory has just taken, to be taken again and looked into.

    Parameters
    ----------
    stopping : Stopping
    field : Field
        Of the working set before the step.
    run : Integration
    before : dict of Tensor
        The memory before the step.
    position : int
        Of the trajectory in that working set.
    arrival : Tensor
        Time at the end of the step.
    """

    def __init__(
        self,
        stopping: Stopping,
        field: Field,
        run: Integration,
        before: dict[str, Tensor],
        position: int,
        arrival: Tensor,
    ) -> None:
        self._stopping = stopping
        self._memory = {name: value[position : position + 1] for name, value in before.items()}
        self._field = field.select(torch.tensor([position], device=run.working.device))
        self._end = run.end
        self.begin, self.arrival = before["time"][position], arrival

    def first_reached(self) -> tuple[Tensor, Tensor, Tensor] | None:
        """Return time, state and excess where a condition is first reached; None if none is."""
        low, high = self.begin, self.arrival
        found = None
        while True:
            times = self._between(low, high)
            states = self._states(times)
            rows = torch.zeros(len(times), dtype=torch.int64, device=times.device)
            excess = self._stopping.excess(_measured(self._field.select(rows), states))
            reached = (excess <= 0.0).any(1).nonzero().flatten()
            if len(reached):
                index = int(reached[0])
                found = times[index], states[index], excess[index]
                at = index
            elif found is not None or float(high - low) <= SHORTEST * float(
                self.arrival - self.begin
            ):
                return found
            else:
                # The lowest point is between the neighbours of the lowest that was looked at.
                index = int(excess.amin(1).argmin())
                at = min(index + 1, len(times) - 1)
            if len(times) <= 2:
                return found
            high = times[at]
            low = times[index - 1] if index else low

    @staticmethod
    def _between(low: Tensor, high: Tensor) -> Tensor:
        """Return increasing times above `low`, the last of them `high`."""
        parts = torch.linspace(0.0, 1.0, PIECES + 1, dtype=low.dtype, device=low.device)[1:]
        times = low + (high - low) * parts
        times[-1] = high
        return times[(times > low) & (times <= high)].unique()

    def _states(self, times: Tensor) -> Tensor:
        """Return states at times within the step, (time, parameter)."""
        memory = {name: value.clone() for name, value in self._memory.items()}
        run = Integration.going_on(memory, times, self._end)
        offset = int(run.next_save[0])
        found = self._memory["state"].repeat(len(times), 1)

        def keep(rows: Tensor, saves: Tensor, states: Tensor) -> None:
            within = saves - offset < len(times)
            found[(saves - offset)[within]] = states[within]

        self._stopping.solver.advance(self._field, run, keep)
        return found


def refuse_reached_starts(
    conditions: tuple[Condition, ...], field: NetworkField, initial: Tensor
) -> None:
    """Refuse a condition that every trajectory of a rule has reached before it moves.

    Parameters
    ----------
    conditions : tuple of Condition
    field : NetworkField
        Of all trajectories.
    initial : Tensor
        Their states at time 0.

    Raises
    ------
    InputError
        Naming condition and rule.
    """
    for condition in conditions:
        with torch.no_grad():
            reached = condition.excess(_measured(field, initial)) <= 0.0
        for group in field.groups:
            if bool(reached[group.start : group.stop].all()):
                raise InputError(
                    f"`{condition.setting}` {condition.threshold:g} is reached at the start of "
                    f"every trajectory of {group.rule.name}: leave it out, ask for more, or leave "
                    "the rule out"
                )


def _measured(field: Field, state: Tensor) -> MeasuredState:
    """Return a state to measure; no condition looks at what lies outside the span of the data."""
    assert isinstance(field, NetworkField)
    return MeasuredState(field, state, state.new_zeros(len(state), field.layout.sizes[1]))

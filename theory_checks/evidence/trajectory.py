"""States along trajectories, computed by any of flowfa's solvers from any field."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from flowfa.flow.base import Field
from flowfa.solvers.stepping.integration import Integration, Solver
from flowfa.solvers.stepping.solve import solve
from theory_checks.evidence.waypoints import Waypoints


@dataclass(frozen=True)
class Path:
    """The trajectories as one solver integrated them.

    Attributes
    ----------
    states : Tensor
        At the times of the mesh, (trajectory, time, parameter); NaN where not reached.
    reached : Tensor
        Time of the last good state, (trajectory,).
    status : tuple of str
        How each trajectory ended: ``ok``, ``chattering``, ...
    message : tuple of str
        The same as a sentence, with where and what to do.
    rows : Tensor
        Which trajectory of `waypoints` each is, (trajectory,).
    waypoints : Waypoints
        From which more times are looked at.
    """

    states: Tensor
    reached: Tensor
    status: tuple[str, ...]
    message: tuple[str, ...]
    rows: Tensor
    waypoints: Waypoints

    def select(self, rows: Tensor) -> Path:
        """Return the path of some trajectories."""
        return Path(
            self.states[rows],
            self.reached[rows],
            tuple(self.status[row] for row in rows.tolist()),
            tuple(self.message[row] for row in rows.tolist()),
            self.rows[rows],
            self.waypoints,
        )

    def looked_at(self, times: Tensor, more: Tensor, until: Tensor) -> Path | None:
        """Return the path on a finer mesh; None if only a new integration can give it.

        Parameters
        ----------
        times : Tensor
            The mesh of the path, (time,).
        more : Tensor
            Times between them, increasing, (time,).
        until : Tensor
            Time up to which each trajectory is looked at, (trajectory,).
        """
        if not self.waypoints.complete:
            return None
        added = self.waypoints.states(self.rows, more, torch.minimum(self.reached, until))
        order = torch.cat([times, more]).argsort()
        return replace(self, states=torch.cat([self.states, added], 1)[:, order])


class _Enough(Exception):
    """Raised when all trajectories are past the times that are looked at."""


def integrate(
    field: Field, initial: Tensor, times: Tensor, solver: Solver, until: Tensor | None = None
) -> Path:
    """Integrate every trajectory over the mesh.

    Solvers choose their steps without looking at the save times, so that `Path.looked_at` gives the
    same trajectory, looked at more often.

    Parameters
    ----------
    field : Field
    initial : Tensor
        (trajectory, parameter).
    times : Tensor
        The mesh, increasing from 0 to the end, (time,).
    solver : Solver
    until : Tensor, optional
        Time up to which each trajectory is looked at, (trajectory,): none is integrated for long
        beyond, as if a run that ended early had not.
    """
    run = Integration.begin(initial, times)
    states_at = initial.new_full((len(initial), len(times), initial.shape[1]), torch.nan)

    def save(rows: Tensor, saves: Tensor, states: Tensor) -> None:
        states_at[rows, saves] = states

    def monitor(run: Integration) -> None:
        if until is not None and bool((run.memory["time"] > until[run.working]).all()):
            raise _Enough

    waypoints = Waypoints(solver, field)
    try:
        solve(field, run, waypoints, save, monitor)
    except _Enough:
        run.time[run.working] = run.memory["time"]
    if until is not None:
        # A trajectory goes on while others do; later states are dropped, so that what is seen of
        # it does not depend on the others.
        states_at[times > until[:, None]] = torch.nan
    return Path(
        states_at,
        run.time.clone(),
        tuple(status.label for status in run.status),
        tuple(run.message(row) for row in range(len(initial))),
        torch.arange(len(initial)),
        waypoints,
    )

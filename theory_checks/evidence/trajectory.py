"""States along trajectories, computed by any of flowfa's solvers from any field."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flowfa.flow.base import Field
from flowfa.solvers.stepping.integration import Integration, Solver
from flowfa.solvers.stepping.solve import solve


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
    """

    states: Tensor
    reached: Tensor
    status: tuple[str, ...]
    message: tuple[str, ...]

    def select(self, rows: Tensor) -> Path:
        """Return the path of some trajectories."""
        status = tuple(self.status[row] for row in rows.tolist())
        message = tuple(self.message[row] for row in rows.tolist())
        return Path(self.states[rows], self.reached[rows], status, message)


class _Enough(Exception):
    """Raised when all trajectories are past the times that are looked at."""


def integrate(
    field: Field, initial: Tensor, times: Tensor, solver: Solver, until: Tensor | None = None
) -> Path:
    """Integrate every trajectory over the mesh.

    Solvers choose their steps without looking at the save times, so that a finer mesh gives the
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

    try:
        solve(field, run, solver, save, monitor)
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
    )

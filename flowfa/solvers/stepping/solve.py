"""The loop that drives any solver over any field."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from flowfa.flow.base import Field
from flowfa.solvers.stepping.integration import Integration, SaveCallback, Solver
from flowfa.solvers.stepping.status import Status


class Monitor(Protocol):
    """A callback that sees the integration after each round of steps.

    It may raise to stop it, or let trajectories leave with `Integration.retire`.
    """

    def __call__(self, run: Integration) -> None:
        """Look at `run`; everything in it is consistent and may be stored."""
        ...


@torch.no_grad()
def solve(
    field: Field,
    run: Integration,
    solver: Solver,
    save: SaveCallback,
    monitor: Monitor | None = None,
) -> Integration:
    """Integrate every trajectory to the end, or to its own failure.

    Parameters
    ----------
    field : Field
        One row for each trajectory of `run`.
    run : Integration
        As `Integration.begin` or a checkpoint left it; changed in place.
    solver : Solver
    save : SaveCallback
        Called with the states at the save times.
    monitor : Monitor, optional
        Called after each round of steps.

    Returns
    -------
    Integration
        `run`, with no trajectory working.
    """
    if not run.memory and len(run.working):
        _begin(field, run, solver, save)
    members = run.working
    active = field.select(members)
    while len(run.working):
        solver.advance(active, run, save)
        if monitor is not None:
            monitor(run)
        if len(run.working) != len(members):
            members = run.working
            active = field.select(members)
    return run


def _begin(field: Field, run: Integration, solver: Solver, save: SaveCallback) -> None:
    """Save the initial states, and retire trajectories whose start is not finite."""
    run.memory = {"state": run.state.clone(), "time": run.time.clone()}
    velocity = field(run.time, run.state)
    run.count("evaluations", 1)
    sound = run.state.isfinite().all(1) & velocity.isfinite().all(1)
    rows = run.working
    save(rows, torch.zeros_like(rows), run.state)
    run.next_save += 1
    broken = (~sound).nonzero().flatten().tolist()
    run.retire(
        {position: (Status.NON_FINITE, _broken_part(run.state, position)) for position in broken}
    )
    run.memory["velocity"] = velocity[sound]
    if len(run.working):
        solver.start(field.select(run.working), run)


def _broken_part(state: Tensor, position: int) -> str:
    """Return what of a start is not finite, for the message."""
    bad = (~state[position].isfinite()).sum().item()
    return f"{bad} parameters of the start" if bad else "the velocity at the start"

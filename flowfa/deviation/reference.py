"""The flow, integrated tightly enough to measure steps against, with its error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flowfa.flow.field import NetworkField
from flowfa.problems.problem import Problem
from flowfa.solvers.choice import build_solver, choose
from flowfa.solvers.stepping.integration import Integration
from flowfa.solvers.stepping.solve import Monitor, solve

COARSER = 10.0
"""The reference is compared with the flow at a tolerance coarser by this factor."""


@dataclass(frozen=True)
class Reference:
    """The flow at given times, as good as one tolerance makes it.

    Attributes
    ----------
    times : numpy.ndarray
        Increasing from 0, (time,).
    states : Tensor
        (row, time, parameter); NaN where the solver did not get.
    error : Tensor
        Largest distance up to each time to the flow at a tolerance ten times coarser, as a share
        of the norm of the state, (row, time). It bounds the error where the solver converges.
    rtol : float
    solver : str
    reached : numpy.ndarray
        The time that the flow got to, (row,).
    status : tuple of str
        How it ended, of each row: ``ok``, ``chattering``, ... (`flowfa.solvers.stepping.status`).
    events : dict of numpy.ndarray
        How many ``crossings`` and ``slidings`` there were, (row,); -1 if the solver counts none.
    """

    times: np.ndarray
    states: Tensor
    error: Tensor
    rtol: float
    solver: str
    reached: np.ndarray
    status: tuple[str, ...]
    events: dict[str, np.ndarray]

    def at(self, times: np.ndarray) -> np.ndarray:
        """Return the indices of some of its times."""
        return np.searchsorted(self.times, times)


@dataclass(frozen=True)
class _Course:
    """States (row, time, parameter) of one integration, by which solver, and how it ended."""

    states: Tensor
    solver: str
    run: Integration


def _integrate(
    problem: Problem,
    field: NetworkField,
    initial: Tensor,
    times: np.ndarray,
    rtol: float,
    monitor: Monitor | None = None,
) -> _Course:
    choice = choose("auto", problem, rtol=rtol)
    # bosh3, of order 3, is the cheapest at the default tolerance, but takes far too many steps at
    # a fine one.
    by_rule = {rule: name.replace("bosh3", "dopri5") for rule, name in choice.by_rule.items()}
    solver = build_solver(choice.name.replace("bosh3", "dopri5"), by_rule, rtol=rtol)
    run = Integration.begin(initial, torch.from_numpy(times).to(initial))
    states_at = initial.new_full((len(initial), len(times), initial.shape[1]), torch.nan)

    def save(rows: Tensor, saves: Tensor, states: Tensor) -> None:
        states_at[rows, saves] = states

    solve(field, run, solver, save, monitor)
    return _Course(states_at, solver.name, run)


def refer(
    problem: Problem,
    field: NetworkField,
    initial: Tensor,
    times: np.ndarray,
    rtol: float,
    coarser: Tensor | None = None,
    monitor: Monitor | None = None,
) -> Reference:
    """Integrate the flow at `rtol` and at ten times that, and return the finer.

    Parameters
    ----------
    problem : Problem
    field : NetworkField
    initial : Tensor
        (row, parameter).
    times : numpy.ndarray
        Increasing from 0, (time,).
    rtol : float
    coarser : Tensor, optional
        The states at ten times `rtol`, where they are known.
    monitor : Monitor, optional
        See `flowfa.solvers.stepping.solve.solve`.
    """
    if coarser is None:
        coarser = _integrate(problem, field, initial, times, rtol * COARSER, monitor).states
    finer = _integrate(problem, field, initial, times, rtol, monitor)
    error = (finer.states - coarser).norm(dim=2) / finer.states.norm(dim=2)
    status = tuple(ending.label for ending in finer.run.status)
    return Reference(
        times,
        finer.states,
        error.cummax(1).values,
        rtol,
        finer.solver,
        finer.run.time.numpy(),
        status,
        {name: finer.run.counters[name] for name in ("crossings", "slidings")},
    )

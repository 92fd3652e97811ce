"""Solvers by name: the built-in ones register when their files are imported here."""

from __future__ import annotations

import flowfa.solvers.collocation.solver
import flowfa.solvers.event.solver
import flowfa.solvers.hybrid.solver
import flowfa.solvers.runge_kutta.methods
import flowfa.solvers.torchdiffeq  # noqa: F401 - each import registers solvers
from flowfa.registry import unknown_name
from flowfa.settings import FlowSettings, valid
from flowfa.settings.flow import absolute_tolerance
from flowfa.solvers.factory import FAMILIES, SOLVERS, SolverSettings, check_solver, solver
from flowfa.solvers.stepping.controller import Tolerance
from flowfa.solvers.stepping.integration import Solver

__all__ = [
    "FAMILIES",
    "SOLVERS",
    "SolverSettings",
    "check_solver",
    "is_registered",
    "make_solver",
    "solver",
    "solver_names",
]


def solver_names() -> tuple[str, ...]:
    """Return all names that ``simulate`` knows, but for the methods of torchdiffeq."""
    return ("auto", *SOLVERS.names())


def is_registered(name: str) -> bool:
    """Return whether `make_solver` knows a name."""
    family, colon, _ = name.partition(":")
    return family in FAMILIES.names() if colon else name in SOLVERS.names()


def make_solver(
    name: str,
    *,
    rtol: float = FlowSettings.rtol,
    atol: float | None = FlowSettings.atol,
    step: float | None = FlowSettings.step,
    control: str = FlowSettings.controller,
    max_steps: int = FlowSettings.max_steps,
) -> Solver:
    """Build the solver called `name`.

    Parameters
    ----------
    name : str
        A solver, or ``torchdiffeq:METHOD``; `flowfa.solvers.choice.choose` replaces ``auto``.
    rtol, atol : float
        Tolerances of adaptive solvers; atol is rtol / 100 if not given.
    step : float, optional
        Step of fixed-step solvers, which need it.
    control : {"pi", "i"}
        Step-size controller.
    max_steps : int
        Most trial steps of a trajectory.

    Raises
    ------
    InputError
        If the name is unknown, a number is out of range, or a step is given where none is wanted
        or is missing where one is.
    """
    tolerance = Tolerance(rtol, absolute_tolerance(rtol, atol))
    max_steps = valid(FlowSettings, "max_steps", max_steps)
    if not is_registered(name):
        raise unknown_name("solver", name, (*solver_names(), "torchdiffeq:dopri5"))
    settings = SolverSettings(tolerance, step, control, max_steps)
    family, colon, method = name.partition(":")
    if colon:
        return FAMILIES.get(family)(method, settings)
    return check_solver(SOLVERS.get(name)(settings))

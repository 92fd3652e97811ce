"""Solvers by name."""

from __future__ import annotations

from flowfa.errors import InputError
from flowfa.registry import unknown_name
from flowfa.settings import FlowSettings, valid
from flowfa.settings.flow import absolute_tolerance
from flowfa.solvers.collocation import GAUSS
from flowfa.solvers.collocation.solver import GaussCollocation
from flowfa.solvers.event import EventSolver
from flowfa.solvers.hybrid import HybridSolver
from flowfa.solvers.runge_kutta import TABLEAUS
from flowfa.solvers.runge_kutta.solver import AdaptiveRungeKutta, FixedStepRungeKutta
from flowfa.solvers.stepping.controller import Tolerance, controller
from flowfa.solvers.stepping.integration import Solver
from flowfa.solvers.torchdiffeq import TorchdiffeqSolver

BACKEND_PREFIX = "torchdiffeq:"


def solver_names() -> tuple[str, ...]:
    """Return all names that `make_solver` knows, but for the methods of torchdiffeq."""
    return ("auto", "hybrid", "event", *TABLEAUS.names(), *GAUSS.names())


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
    if name.startswith(BACKEND_PREFIX):
        return TorchdiffeqSolver(name.removeprefix(BACKEND_PREFIX), tolerance, step, max_steps)
    if name not in solver_names() or name == "auto":
        raise unknown_name("solver", name, (*solver_names(), "torchdiffeq:dopri5"))
    tableau = TABLEAUS.get(name) if name in TABLEAUS.names() else None
    if tableau is not None and tableau.error_order is None:
        if step is None:
            raise InputError(f"{name} is a fixed-step solver: give its step with `step=H`")
        return FixedStepRungeKutta(tableau, step, max_steps)
    if step is not None:
        raise InputError(f"{name} chooses its steps by `rtol`: leave out `step`")
    if tableau is not None:
        return AdaptiveRungeKutta(tableau, tolerance, controller(control), max_steps)
    if name in GAUSS.names():
        return GaussCollocation(GAUSS.get(name), tolerance, controller(control), max_steps)
    if name == HybridSolver.name:
        return HybridSolver(tolerance, max_steps)
    return EventSolver(tolerance, max_steps)

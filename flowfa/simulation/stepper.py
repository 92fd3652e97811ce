"""The solver of a flow as its settings want it: stopped by conditions, ready for a later end."""

from __future__ import annotations

from collections.abc import Mapping

from flowfa.settings import FlowSettings, values_of
from flowfa.settings.flow import StopSettings
from flowfa.solvers.choice import build_solver
from flowfa.solvers.stepping.continuing import Continuable, Reaching
from flowfa.solvers.stepping.integration import Solver
from flowfa.solvers.stepping.side_by_side import SideBySide
from flowfa.solvers.stepping.stopping import Condition, Stopping


def conditions_of(settings: FlowSettings) -> tuple[Condition, ...]:
    """Return the conditions that stop a trajectory."""
    return tuple(
        Condition(setting, threshold)
        for setting, threshold in values_of(StopSettings, settings).items()
        if threshold is not None
    )


def flow_stepper(
    settings: FlowSettings,
    name: str,
    by_rule: Mapping[str, str],
    custom_solver: Solver | None = None,
) -> Solver:
    """Return the solver of a flow.

    Parameters
    ----------
    settings : FlowSettings
    name : str
    by_rule : mapping
        As `flowfa.solvers.choice.Choice`.
    custom_solver : Solver, optional
        An object to take instead.
    """
    conditions = conditions_of(settings)

    def around(solver: Solver) -> Solver:
        stopped = Stopping(solver, conditions) if conditions else solver
        if settings.extendable and isinstance(solver, Reaching):
            return Continuable(stopped, solver)
        return stopped

    if custom_solver is not None and by_rule:
        return SideBySide(dict.fromkeys(by_rule, around(custom_solver)))
    if custom_solver is not None:
        return around(custom_solver)
    return build_solver(
        name,
        by_rule,
        around,
        rtol=settings.rtol,
        atol=settings.atol,
        step=settings.step,
        control=settings.controller,
        max_steps=settings.max_steps,
    )

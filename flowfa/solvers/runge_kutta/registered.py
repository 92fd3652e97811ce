"""The explicit Runge-Kutta methods by name: a tableau that is entered here is a solver."""

from __future__ import annotations

from flowfa.registry import Registry
from flowfa.solvers.factory import SOLVERS, SolverSettings
from flowfa.solvers.runge_kutta.solver import AdaptiveRungeKutta, FixedStepRungeKutta
from flowfa.solvers.runge_kutta.tableau import Tableau
from flowfa.solvers.stepping.controller import controller
from flowfa.solvers.stepping.integration import Solver

TABLEAUS: Registry[Tableau] = Registry("Runge-Kutta method")


def runge_kutta(tableau: Tableau) -> Tableau:
    """Enter a coefficient table as the solver of its name, adaptive if it estimates its error.

    Raises
    ------
    InputError
        If the name is taken.
    """

    def make(settings: SolverSettings) -> Solver:
        if tableau.error_order is None:
            return FixedStepRungeKutta(
                tableau, settings.fixed_step(tableau.name), settings.max_steps
            )
        settings.refuse_step(tableau.name)
        control = controller(settings.control)
        return AdaptiveRungeKutta(tableau, settings.tolerance, control, settings.max_steps)

    SOLVERS.register(tableau.name)(make)
    return TABLEAUS.register(tableau.name)(tableau)

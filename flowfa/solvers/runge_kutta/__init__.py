"""Coefficient tables of the explicit Runge-Kutta methods, by name, and their type."""

from flowfa.registry import Registry
from flowfa.solvers.runge_kutta.bosh3 import BOSH3
from flowfa.solvers.runge_kutta.dop853 import DOP853
from flowfa.solvers.runge_kutta.dopri5 import DOPRI5
from flowfa.solvers.runge_kutta.euler import EULER
from flowfa.solvers.runge_kutta.heun import HEUN
from flowfa.solvers.runge_kutta.rk4 import RK4
from flowfa.solvers.runge_kutta.tableau import Tableau
from flowfa.solvers.runge_kutta.tsit5 import TSIT5

__all__ = ["TABLEAUS", "Tableau"]

TABLEAUS: Registry[Tableau] = Registry("Runge-Kutta method")
for _tableau in (EULER, HEUN, RK4, BOSH3, DOPRI5, TSIT5, DOP853):
    TABLEAUS.register(_tableau.name)(_tableau)

"""All explicit Runge-Kutta methods that come with flowfa, one file each."""

from flowfa.solvers.runge_kutta.bosh3 import BOSH3
from flowfa.solvers.runge_kutta.dop853 import DOP853
from flowfa.solvers.runge_kutta.dopri5 import DOPRI5
from flowfa.solvers.runge_kutta.euler import EULER
from flowfa.solvers.runge_kutta.heun import HEUN
from flowfa.solvers.runge_kutta.registered import TABLEAUS
from flowfa.solvers.runge_kutta.rk4 import RK4
from flowfa.solvers.runge_kutta.tableau import Tableau
from flowfa.solvers.runge_kutta.tsit5 import TSIT5

__all__ = ["BOSH3", "DOP853", "DOPRI5", "EULER", "HEUN", "RK4", "TABLEAUS", "TSIT5", "Tableau"]

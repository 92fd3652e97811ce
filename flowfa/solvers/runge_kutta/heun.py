"""Heun's method (the explicit trapezoidal rule): order 2, fixed step.

K. Heun, Neue Methoden zur approximativen Integration der Differentialgleichungen einer
unabhängigen Veränderlichen, Z. Math. Phys. 45 (1900) 23-38.
"""

import numpy as np

from flowfa.solvers.runge_kutta.registered import runge_kutta
from flowfa.solvers.runge_kutta.tableau import Tableau, hermite

_WEIGHTS = np.array([1 / 2, 1 / 2])

HEUN = Tableau(
    name="heun",
    order=2,
    error_order=None,
    nodes=np.array([0.0, 1.0]),
    matrix=np.array([[0.0, 0.0], [1.0, 0.0]]),
    weights=_WEIGHTS,
    error=np.zeros((0, 3)),
    dense_order=2,
    extra_nodes=np.zeros(0),
    extra_matrix=np.zeros((0, 3)),
    interpolant=hermite(_WEIGHTS),
)
runge_kutta(HEUN)

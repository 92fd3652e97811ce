"""Euler's method: order 1, fixed step."""

import numpy as np

from flowfa.solvers.runge_kutta.registered import runge_kutta
from flowfa.solvers.runge_kutta.tableau import Tableau, hermite

_WEIGHTS = np.array([1.0])

EULER = Tableau(
    name="euler",
    order=1,
    error_order=None,
    nodes=np.array([0.0]),
    matrix=np.array([[0.0]]),
    weights=_WEIGHTS,
    error=np.zeros((0, 2)),
    dense_order=1,
    extra_nodes=np.zeros(0),
    extra_matrix=np.zeros((0, 2)),
    interpolant=hermite(_WEIGHTS),
)
runge_kutta(EULER)

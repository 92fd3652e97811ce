"""The classical Runge-Kutta method: order 4, fixed step.

W. Kutta, Beitrag zur näherungsweisen Integration totaler Differentialgleichungen, Z. Math.
Phys. 46 (1901) 435-453. The cubic Hermite dense output has order 3, so that its error per step
is O(h^4), the global order of the steps themselves.
"""

import numpy as np

from flowfa.solvers.runge_kutta.registered import runge_kutta
from flowfa.solvers.runge_kutta.tableau import Tableau, hermite, pad

_WEIGHTS = np.array([1 / 6, 1 / 3, 1 / 3, 1 / 6])

RK4 = Tableau(
    name="rk4",
    order=4,
    error_order=None,
    nodes=np.array([0.0, 1 / 2, 1 / 2, 1.0]),
    matrix=pad([[], [1 / 2], [0.0, 1 / 2], [0.0, 0.0, 1.0]], 4),
    weights=_WEIGHTS,
    error=np.zeros((0, 5)),
    dense_order=3,
    extra_nodes=np.zeros(0),
    extra_matrix=np.zeros((0, 5)),
    interpolant=hermite(_WEIGHTS),
)
runge_kutta(RK4)

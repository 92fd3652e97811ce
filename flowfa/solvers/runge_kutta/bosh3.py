"""Bogacki and Shampine's pair of orders 3(2), with cubic Hermite dense output.

P. Bogacki, L. F. Shampine, A 3(2) pair of Runge-Kutta formulas, Appl. Math. Lett. 2 (1989)
321-325.
"""

import numpy as np

from flowfa.solvers.runge_kutta.registered import runge_kutta
from flowfa.solvers.runge_kutta.tableau import Tableau, hermite, pad

_WEIGHTS = np.array([2 / 9, 1 / 3, 4 / 9])

BOSH3 = Tableau(
    name="bosh3",
    order=3,
    error_order=2,
    nodes=np.array([0.0, 1 / 2, 3 / 4]),
    matrix=pad([[], [1 / 2], [0.0, 3 / 4]], 3),
    weights=_WEIGHTS,
    # The embedded weights are 7/24, 1/4, 1/3, 1/8.
    error=np.array([[-5 / 72, 1 / 12, 1 / 9, -1 / 8]]),
    dense_order=3,
    extra_nodes=np.zeros(0),
    extra_matrix=np.zeros((0, 4)),
    interpolant=hermite(_WEIGHTS),
)
runge_kutta(BOSH3)

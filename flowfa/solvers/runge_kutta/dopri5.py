"""Dormand and Prince's pair of orders 5(4), with Shampine's dense output of order 4.

J. R. Dormand, P. J. Prince, A family of embedded Runge-Kutta formulae, J. Comput. Appl. Math. 6
(1980) 19-26. L. F. Shampine, Some practical Runge-Kutta formulas, Math. Comp. 46 (1986)
135-150; the numbers of the dense output are those of DOPRI5 in E. Hairer, S. P. Norsett,
G. Wanner, Solving Ordinary Differential Equations I, 2nd ed. (1993), section II.6.
"""

import numpy as np

from flowfa.solvers.runge_kutta.registered import runge_kutta
from flowfa.solvers.runge_kutta.tableau import Tableau, hermite, pad

_WEIGHTS = np.array([35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84])

_CORRECTION = np.array(
    [
        [-12715105075 / 11282082432],
        [0.0],
        [87487479700 / 32700410799],
        [-10690763975 / 1880347072],
        [701980252875 / 199316789632],
        [-1453857185 / 822651844],
        [69997945 / 29380423],
    ]
)

DOPRI5 = Tableau(
    name="dopri5",
    order=5,
    error_order=4,
    nodes=np.array([0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0]),
    matrix=pad(
        [
            [],
            [1 / 5],
            [3 / 40, 9 / 40],
            [44 / 45, -56 / 15, 32 / 9],
            [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
            [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
        ],
        6,
    ),
    weights=_WEIGHTS,
    # The embedded weights: 5179/57600, 0, 7571/16695, 393/640, -92097/339200, 187/2100, 1/40.
    error=np.array([[71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40]]),
    dense_order=4,
    extra_nodes=np.zeros(0),
    extra_matrix=np.zeros((0, 7)),
    interpolant=hermite(_WEIGHTS, _CORRECTION),
)
runge_kutta(DOPRI5)

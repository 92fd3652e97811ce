"""Tsitouras's pair of orders 5(4), with its free dense output of order 4.

Ch. Tsitouras, Runge-Kutta pairs of order 5(4) satisfying only the first column simplifying
assumption, Comput. Math. Appl. 62 (2011) 770-775; its numbers as P. Stone gives them to more
digits, a_i1 being c_i minus the rest of the row. The paper gives the dense output b_i(theta) in
factored form. Its values and slopes at both ends are those of the cubic Hermite polynomial, so
that only its leading coefficients are needed here. Published error rows disagree in the sign of
their last entry: here the row is weights minus embedded weights and sums to zero.
"""

import numpy as np

from flowfa.solvers.runge_kutta.registered import runge_kutta
from flowfa.solvers.runge_kutta.tableau import Tableau, hermite, pad

_WEIGHTS = np.array(
    [
        0.096460766818065229518,
        0.01,
        0.47988965041449957478,
        1.3790085741037418932,
        -3.2900695154360806799,
        2.3247105240997739824,
    ]
)

_CORRECTION = np.array(
    [
        [-1.0530884977290216],
        [0.1017],
        [2.490627285651252793],
        [-16.54810288924490272],
        [47.37952196281928122],
        [-34.87065786149660974],
        [2.5],
    ]
)

TSIT5 = Tableau(
    name="tsit5",
    order=5,
    error_order=4,
    nodes=np.array([0.0, 0.161, 0.327, 0.9, 0.98002554090450968573, 1.0]),
    matrix=pad(
        [
            [],
            [0.161],
            [-0.0084806554923569885444, 0.33548065549235698854],
            [2.8971530571054934321, -6.3594484899750748431, 4.362295432869581411],
            [
                5.3258648284392566044,
                -11.748883564062827878,
                7.4955393428898362083,
                -0.092495066361755249257,
            ],
            [
                5.8614554429464200287,
                -12.920969317847109292,
                8.1593678985761586432,
                -0.071584973281400997225,
                -0.028269050394068382909,
            ],
        ],
        6,
    ),
    weights=_WEIGHTS,
    error=np.array(
        [
            [
                0.0017800110522257714434,
                0.00081643445965674690322,
                -0.0078808780102619960103,
                0.14471100717326290754,
                -0.58235716545255522502,
                0.45808210592918694666,
                -1 / 66,
            ]
        ]
    ),
    dense_order=4,
    extra_nodes=np.zeros(0),
    extra_matrix=np.zeros((0, 7)),
    interpolant=hermite(_WEIGHTS, _CORRECTION),
)
runge_kutta(TSIT5)

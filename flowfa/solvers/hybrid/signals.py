"""Residual signals r(t) as quadratics on a step: values at the nodes, coefficients, integrals.

Arrays are (trajectory, 3, output, sample): at the three Gauss nodes, or the three coefficients
from the constant up.
"""

from __future__ import annotations

import math

import numpy as np

_ROOT = math.sqrt(0.6)
NODES = np.array([0.5 * (1.0 - _ROOT), 0.5, 0.5 * (1.0 + _ROOT)])
"""The three Gauss nodes on [0, 1]."""
TO_MONOMIAL = np.linalg.inv(np.vander(NODES, 3, increasing=True))
"""From values at the nodes to the coefficients of the quadratic through them."""
STEP_TIMES = np.append(NODES, 1.0)
"""Where a sweep looks at the path: at the nodes and at the end."""
AHEAD = np.linalg.inv(np.vander(STEP_TIMES[1:], 3, increasing=True))
"""From values at the last two nodes and the end to a quadratic's coefficients."""


def to_polynomial(at_nodes: np.ndarray) -> np.ndarray:
    """Return coefficients (trajectory, 3, ...) of quadratics given at the nodes."""
    return _combine(TO_MONOMIAL, at_nodes)


def predictor(at_times: np.ndarray) -> np.ndarray:
    """Return the quadratics that continue values (trajectory, 4, ...) at `STEP_TIMES`.

    They go through the last three times: quadratics through the nodes alone took a tenth more
    sweeps, and cubics through all four nearly as many.
    """
    return _combine(AHEAD, at_times[:, 1:])


def _combine(matrix: np.ndarray, at: np.ndarray) -> np.ndarray:
    a, b, c = at[:, 0], at[:, 1], at[:, 2]
    return np.stack([m[0] * a + m[1] * b + m[2] * c for m in matrix], axis=1)


def values(polynomial: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Return values of quadratics (trajectory, 3, ...) at times (trajectory, time)."""
    t = tau.reshape(*tau.shape, *(1,) * (polynomial.ndim - 2))
    p0, p1, p2 = polynomial[:, 0:1], polynomial[:, 1:2], polynomial[:, 2:3]
    return p0 + t * (p1 + t * p2)


def integrals(polynomial: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Return the integrals from 0 to tau of quadratics (trajectory, 3, ...)."""
    t = tau.reshape(*tau.shape, *(1,) * (polynomial.ndim - 2))
    p0, p1, p2 = polynomial[:, 0:1], polynomial[:, 1:2], polynomial[:, 2:3]
    return t * (p0 + t * (p1 / 2.0 + t * (p2 / 3.0)))

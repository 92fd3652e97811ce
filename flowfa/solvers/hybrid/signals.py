"""Residual signals r(t) as quadratics on a step: values at the nodes, coefficients, integrals.

Arrays are (3, output, sample): at the three Gauss nodes, or the three coefficients from the
constant up.
"""

from __future__ import annotations

import math

import numpy as np

from flowfa.machine.compiled import compiled
from flowfa.solvers.hybrid.records import (
    ARRIVAL,
    INWARD,
    L_OUT,
    L_POLY,
    LENGTH,
    OF_BIAS,
    OUTWARD,
    R_OUT,
    R_POLY,
    STEP,
    TIME,
    Guess,
    L,
    Layer,
    Memory,
    R,
)

_ROOT = math.sqrt(0.6)
NODES = np.array([0.5 * (1.0 - _ROOT), 0.5, 0.5 * (1.0 + _ROOT)])
"""The three Gauss nodes on [0, 1]."""
TO_MONOMIAL = np.linalg.inv(np.vander(NODES, 3, increasing=True))
"""From values at the nodes to the coefficients of the quadratic through them."""
STEP_TIMES = np.append(NODES, 1.0)
"""Where a sweep looks at the path: at the nodes and at the end."""
TO_AHEAD = np.linalg.inv(np.vander(STEP_TIMES[1:], 3, increasing=True))
"""From values at the last two nodes and the end to a quadratic's coefficients.

Predictors go through the last three times: quadratics through the nodes alone took a tenth more
sweeps, and cubics through all four nearly as many.
"""


@compiled(from_python=True)
def write_coefficients(matrix: np.ndarray, at: np.ndarray, out: np.ndarray) -> None:
    """Write the coefficients (3, ..., ...) of quadratics given at three times, (3, ..., ...)."""
    for q in range(3):
        for a in range(at.shape[1]):
            for b in range(at.shape[2]):
                total = matrix[q, 0] * at[0, a, b] + matrix[q, 1] * at[1, a, b]
                out[q, a, b] = total + matrix[q, 2] * at[2, a, b]


@compiled(from_python=True)
def write_values(polynomial: np.ndarray, ahead: float, out: np.ndarray) -> None:
    """Write values (3, ..., ...) of quadratics at the nodes of a step that begins where they end.

    Parameters
    ----------
    polynomial : ndarray, shape (3, ..., ...)
    ahead : float
        Length of the step by that of the one before; negative for values at the beginning, which
        are those of constant signals.
    out : ndarray, shape (3, ..., ...)
        Written to.
    """
    for i in range(3):
        t = 1.0 + NODES[i] * ahead if ahead >= 0.0 else 0.0
        for a in range(polynomial.shape[1]):
            for b in range(polynomial.shape[2]):
                rest = polynomial[1, a, b] + t * polynomial[2, a, b]
                out[i, a, b] = polynomial[0, a, b] + t * rest


@compiled(from_python=True)
def integral_of(polynomial: np.ndarray, c: int, tau: float) -> float:
    """Return the integral from 0 to tau of the sum over samples of an output's quadratics."""
    total = 0.0
    for k in range(polynomial.shape[2]):
        rest = polynomial[1, c, k] / 2.0 + tau * (polynomial[2, c, k] / 3.0)
        total += tau * (polynomial[0, c, k] + tau * rest)
    return total


@compiled
def write_guess(layer: Layer, memory: Memory, end: float, guess: Guess) -> None:
    """Write the step that is tried next, cut where the run ends, and its signals."""
    time, step = memory.numbers[TIME], memory.numbers[STEP]
    last = time + step * (1.0 + 1e-10) >= end
    guess.step[LENGTH] = end - time if last else step
    guess.step[ARRIVAL] = end if last else time + step
    _write_grown(layer, memory.signals, guess)
    for which in range(3):
        write_coefficients(TO_MONOMIAL, guess.grown[which], guess.polynomials[which])
    inward, outward = guess.polynomials[INWARD], guess.polynomials[OUTWARD]
    _write_signals(layer, guess.grown[INWARD], guess.drives[R], guess.drives[L])
    _write_signals(layer, inward, guess.drives[R_POLY], guess.drives[L_POLY])
    _write_signals(layer, outward, guess.drives[R_OUT], guess.drives[L_OUT])


@compiled
def _write_grown(layer: Layer, r: np.ndarray, guess: Guess) -> None:
    """Write the signals at the nodes that weights follow which do not decay, see `decay`."""
    h = guess.step[LENGTH]
    for i in range(3):
        inward = math.exp(layer.in_decay * h * NODES[i])
        outward = math.exp((layer.out_decay - layer.in_decay) * h * NODES[i])
        of_bias = math.exp(layer.out_decay * h * NODES[i])
        for c in range(r.shape[1]):
            for k in range(r.shape[2]):
                guess.grown[INWARD, i, c, k] = inward * r[i, c, k]
                guess.grown[OUTWARD, i, c, k] = outward * r[i, c, k]
                guess.grown[OF_BIAS, i, c, k] = of_bias * r[i, c, k]


@compiled
def _write_signals(layer: Layer, r: np.ndarray, onto: np.ndarray, opposite: np.ndarray) -> None:
    """Write R_p = sum |c_k| r_k and L_p = (1 + alpha) sum_{c_k < 0} c_k r_k of each surface."""
    for q in range(3):
        for c in range(r.shape[1]):
            for p in range(onto.shape[2]):
                onto[q, c, p], opposite[q, c, p] = 0.0, 0.0
            for k in range(r.shape[2]):
                p, factor = layer.surface[k], layer.factor[k]
                onto[q, c, p] += abs(factor) * r[q, c, k]
                opposite[q, c, p] += (1.0 + layer.leak) * min(factor, 0.0) * r[q, c, k]

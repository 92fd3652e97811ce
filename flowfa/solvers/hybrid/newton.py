"""Newton's correction of the guessed signals, for flows on which plain iteration is stiff.

Iterating r <- Phi(r) contracts only while h times the tangent kernel is small, which limits the
step wherever the loss interpolates. With modes held, df/dt = Theta r is linear in r, so that the
derivative of Phi is h A x J with J = r'(f) Theta and Gauss's matrix A; the correction solves
(I - h A x J) delta = Phi(r) - r. J is taken at the step's start: it only steers the iteration, and
does not change what the iteration converges to.
"""

from __future__ import annotations

import numpy as np

from flowfa.machine.compiled import compiled
from flowfa.solvers.hybrid.records import SIGNS, Layer, Memory, V
from flowfa.solvers.hybrid.signals import NODES, TO_MONOMIAL

GAUSS = np.stack([NODES, NODES**2 / 2.0, NODES**3 / 3.0], axis=1) @ TO_MONOMIAL
"""A_ij, the integral from 0 to c_i of the j-th Lagrange polynomial."""
# One eigenvalue is real, the others are conjugate: their equations are conjugate, too.
_VALUES, _VECTORS = np.linalg.eig(GAUSS)
_REAL, _COMPLEX = int(np.abs(np.imag(_VALUES)).argmin()), int(np.imag(_VALUES).argmax())
_OF_REAL, _OF_COMPLEX = float(_VALUES[_REAL].real), complex(_VALUES[_COMPLEX])
_TO = np.linalg.inv(_VECTORS)
_TO_REAL, _TO_COMPLEX = _TO[_REAL], np.ascontiguousarray(_TO[_COMPLEX])
_FROM_REAL = np.ascontiguousarray(_VECTORS[:, _REAL])
_FROM_COMPLEX = np.ascontiguousarray(_VECTORS[:, _COMPLEX])


@compiled(allocates=True, from_python=True)
def tangent_kernel(layer: Layer, memory: Memory) -> np.ndarray:
    """Return Theta with df/dt = Theta r at the step's start.

    Sliding surfaces do not move, so that they have slope zero in it.

    Returns
    -------
    ndarray
        (output, sample, output, sample).
    """
    neurons, n, C = memory.zeta.shape[0], len(layer.surface), memory.weights.shape[2]
    kernel, through_out = np.zeros((C, n, C, n)), np.zeros((n, n))
    # Four neurons at a time, because sums that are loaded once take four products.
    slope, hidden, ones, weight = np.empty((4, n)), np.empty((4, n)), np.ones(4), np.empty(4)
    for first in range(0, neurons, 4):
        count = min(4, neurons - first)
        for i in range(4):
            j = min(first + i, neurons - 1)
            ones[i] = 1.0 if i < count else 0.0
            for k in range(n):
                p, factor = layer.surface[k], layer.factor[k]
                z, side = factor * memory.zeta[j, p], factor * memory.modes[j, p]
                hidden[i, k] = max(z, layer.leak * z)
                slope[i, k] = 1.0 if side > 0.0 else (layer.leak if side < 0.0 else 0.0)
        _add_products(ones, hidden, through_out)
        for c2 in range(C):
            for c in range(C):
                for i in range(count):
                    j = first + i
                    b = layer.fixed[j, c2] + layer.magnitudes[j, c2] * memory.weights[SIGNS, j, c2]
                    if layer.share != 0.0:
                        b += layer.share * memory.weights[V, j, c2]
                    weight[i] = memory.weights[V, j, c] * b
                for i in range(count, 4):
                    weight[i] = 0.0
                _add_products(weight, slope, kernel[c, :, c2])
    for k in range(n):
        for other in range(n):
            between = layer.gram[layer.surface[k], layer.surface[other]]
            between *= layer.factor[k] * layer.factor[other]
            out = through_out[k, other] + (1.0 if layer.out_bias_at >= 0 else 0.0)
            for c in range(C):
                for c2 in range(C):
                    kernel[c, k, c2, other] *= between
                kernel[c, k, c, other] += out
    return kernel


@compiled(reassociates=True)
def _add_products(weight: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
    """Add the products of four rows with themselves, each times its weight, (sample, sample)."""
    n = rows.shape[1]
    for k in range(n):
        w0, w1 = weight[0] * rows[0, k], weight[1] * rows[1, k]
        w2, w3 = weight[2] * rows[2, k], weight[3] * rows[3, k]
        for other in range(n):
            total = w0 * rows[0, other] + w1 * rows[1, other]
            out[k, other] += total + (w2 * rows[2, other] + w3 * rows[3, other])


@compiled(allocates=True, from_python=True)
def correct(kernel: np.ndarray, slope: np.ndarray, size: float, defect: np.ndarray) -> None:
    """Overwrite the defect Phi(r) - r by the delta of the module's docstring.

    Parameters
    ----------
    kernel : ndarray, shape (output, sample, output, sample)
        Theta.
    slope : ndarray, shape (output, output, sample)
        dr_c / df_k of each sample.
    size : float
        h.
    defect : ndarray, shape (3, output, sample)
        NaN on return where the equations have no solution, so that the trial ends.
    """
    C, n = defect.shape[1], defect.shape[2]
    unknowns = C * n
    # In the eigenbasis of A the three nodes have separate equations, two of them conjugate.
    matrix, right = np.zeros((unknowns, unknowns)), np.zeros(unknowns)
    complex_matrix = np.empty((unknowns, unknowns), np.complex128)
    complex_right = np.zeros(unknowns, np.complex128)
    for c in range(C):
        for k in range(n):
            row = c * n + k
            for other in range(C):
                weight = -size * slope[c, other, k]
                for c2 in range(C):
                    for k2 in range(n):
                        matrix[row, c2 * n + k2] += weight * kernel[other, k, c2, k2]
            for column in range(unknowns):
                complex_matrix[row, column] = _OF_COMPLEX * matrix[row, column]
                matrix[row, column] *= _OF_REAL
            matrix[row, row] += 1.0
            complex_matrix[row, row] += 1.0
            for i in range(3):
                right[row] += _TO_REAL[i].real * defect[i, c, k]
                complex_right[row] += _TO_COMPLEX[i] * defect[i, c, k]
    _solve(matrix, right)
    _solve(complex_matrix, complex_right)
    for i in range(3):
        for x in range(unknowns):
            real = _FROM_REAL[i].real * right[x]
            defect[i, x // n, x % n] = real + 2.0 * (_FROM_COMPLEX[i] * complex_right[x]).real


@compiled
def _solve(matrix: np.ndarray, right: np.ndarray) -> None:
    """Overwrite the right side by the solution, and the matrix; NaN where it is singular.

    Gauss's elimination with partial pivoting, by rows.
    """
    n = len(right)
    for i in range(n):
        pivot = i
        for row in range(i + 1, n):
            if abs(matrix[row, i]) > abs(matrix[pivot, i]):
                pivot = row
        if pivot != i:
            right[i], right[pivot] = right[pivot], right[i]
            for column in range(i, n):
                kept = matrix[i, column]
                matrix[i, column] = matrix[pivot, column]
                matrix[pivot, column] = kept
        if matrix[i, i] == 0.0:
            right[:] = np.nan
            return
        inverse = 1.0 / matrix[i, i]
        for row in range(i + 1, n):
            factor = matrix[row, i] * inverse
            if factor != 0.0:
                right[row] -= factor * right[i]
                for column in range(i + 1, n):
                    matrix[row, column] -= factor * matrix[i, column]
    for i in range(n - 1, -1, -1):
        total = right[i]
        for column in range(i + 1, n):
            total -= matrix[i, column] * right[column]
        right[i] = total / matrix[i, i]

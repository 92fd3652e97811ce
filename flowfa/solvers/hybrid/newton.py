"""Newton's correction of the guessed signals, for flows on which plain iteration is stiff.

Iterating r <- Phi(r) contracts only while h times the tangent kernel is small, which limits the
step wherever the loss interpolates. With modes held, df/dt = Theta r is linear in r, so that the
derivative of Phi is h A x J with J = r'(f) Theta and Gauss's matrix A; the correction solves
(I - h A x J) delta = Phi(r) - r. J is taken at the step's start: it only steers the iteration, and
does not change what the iteration converges to.
"""

from __future__ import annotations

import numpy as np
import torch

from flowfa.flow.field import NetworkField
from flowfa.flow.surfaces import Surfaces
from flowfa.solvers.hybrid.signals import NODES, TO_MONOMIAL
from flowfa.solvers.hybrid.sweep import Guess
from flowfa.solvers.one_hidden_layer.network import Feedback

GAUSS = np.stack([NODES, NODES**2 / 2.0, NODES**3 / 3.0], axis=1) @ TO_MONOMIAL
"""A_ij, the integral from 0 to c_i of the j-th Lagrange polynomial."""
_EIGENVALUES, _EIGENVECTORS = np.linalg.eig(GAUSS)
_INVERSE = np.linalg.inv(_EIGENVECTORS)
DIFFERENCE = 1e-5
"""Step of the central differences for r'(f), in units of max(1, |f|)."""


def tangent_kernel(
    net: NetworkField, surfaces: Surfaces, feedback: Feedback, guess: Guess
) -> np.ndarray:
    """Return Theta with df/dt = Theta r at the step's start.

    Sliding surfaces do not move, so that they have slope zero in it.

    Returns
    -------
    numpy.ndarray
        (trajectory, output, sample, output, sample).
    """
    z, side, gram = guess.zeta, guess.modes, surfaces.sample_gram
    if surfaces.merged:
        index, factor = surfaces.surface[:, None], surfaces.factor[:, None]
        index = np.broadcast_to(index, (len(z), *index.shape[1:]))
        z = factor * np.take_along_axis(z, index, axis=2)
        side = factor * np.take_along_axis(side, index, axis=2)
    else:
        z = surfaces.factor[:, None] * z
    slope = np.where(side > 0.0, 1.0, np.where(side < 0.0, net.leak, 0.0))
    hidden = np.maximum(z, net.leak * z)
    b = feedback.weights(guess.v, guess.signs)
    through_out = hidden.transpose(0, 2, 1) @ hidden
    if "c2" in net.layout.shapes:
        through_out = through_out + 1.0
    outputs, samples = guess.v.shape[2], z.shape[2]
    kernel = np.empty((len(z), outputs, samples, outputs, samples))
    for c in range(outputs):
        for k in range(outputs):
            weighted = slope * (guess.v[:, :, c] * b[:, :, k])[:, :, None]
            kernel[:, c, :, k] = gram * (slope.transpose(0, 2, 1) @ weighted)
        kernel[:, c, :, c] += through_out
    return kernel


def residual_slope(net: NetworkField, outputs: np.ndarray) -> np.ndarray:
    """Return dr_c / df_k of each sample, (trajectory, output, output, sample), by differences.

    Parameters
    ----------
    net : NetworkField
    outputs : numpy.ndarray
        f, (trajectory, output, sample).
    """
    f = torch.from_numpy(outputs)
    step = DIFFERENCE * f.abs().clamp_min(1.0)
    slopes = []
    for k in range(outputs.shape[1]):
        ahead, behind = f.clone(), f.clone()
        ahead[:, k] += step[:, k]
        behind[:, k] -= step[:, k]
        rise = net.loss.derivative(ahead, net.targets) - net.loss.derivative(behind, net.targets)
        slopes.append(rise / (-2.0 * net.samples * step[:, k : k + 1]))
    return torch.stack(slopes, dim=2).numpy()


def correct(
    kernel: np.ndarray, slope: np.ndarray, size: np.ndarray, defect: np.ndarray
) -> np.ndarray:
    """Return the delta of the module's docstring.

    Parameters
    ----------
    kernel : numpy.ndarray
        Theta, (trajectory, output, sample, output, sample).
    slope : numpy.ndarray
        r'(f), (trajectory, output, output, sample).
    size : numpy.ndarray
        h, (trajectory,).
    defect : numpy.ndarray
        Phi(r) - r, (trajectory, 3, output, sample).

    Returns
    -------
    numpy.ndarray
        As `defect`; NaN for a trajectory whose equations have no solution, so that its trial ends.
    """
    shape = defect.shape
    unknowns = shape[2] * shape[3]
    jacobian = np.einsum("icks,iksdt->icsdt", slope, kernel).reshape(-1, unknowns, unknowns)
    # In the eigenbasis of A the three nodes have separate equations.
    separate = np.einsum("ab,ibx->aix", _INVERSE, defect.reshape(len(size), 3, unknowns))
    solved = np.empty_like(separate)
    for a, eigenvalue in enumerate(_EIGENVALUES):
        matrix = np.eye(unknowns) - eigenvalue * size[:, None, None] * jacobian
        solved[a] = _solve_each(matrix, separate[a])
    return np.einsum("ba,aix->ibx", _EIGENVECTORS, solved).real.reshape(shape)


def _solve_each(matrices: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve (system, n, n) for (system, n); NaN where a matrix is singular."""
    try:
        return np.linalg.solve(matrices, right[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        # It does not say which one.
        if len(matrices) == 1:
            return np.full_like(right, np.nan)
        alone = (_solve_each(matrices[i : i + 1], right[i : i + 1]) for i in range(len(right)))
        return np.concatenate(list(alone))

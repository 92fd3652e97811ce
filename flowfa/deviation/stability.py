"""The stability edge: the rate above which steps at a point of the flow amplify disturbances.

One step multiplies a disturbance by I - eta J, J = dG/dtheta. It shrinks those along an eigenvalue
lambda with Re(lambda) > 0 if eta < 2 Re(lambda) / abs(lambda)^2; under gd J is the Hessian, and the
edge is 2 / sharpness.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flowfa.flow.field import NetworkField

KRYLOV = 40
"""Dimension of the space in which eigenvalues are sought."""
CONVERGED = 1e-3
"""Relative residual below which a Ritz value counts as an eigenvalue."""


@dataclass(frozen=True)
class Spectrum:
    """What J says of the rate, each (row,).

    Attributes
    ----------
    edge : numpy.ndarray
        The stability edge; inf where no converged eigenvalue has a positive real part.
    radius : numpy.ndarray
        Largest absolute value of an eigenvalue of J; under gd the sharpness where that is not
        exceeded by a negative curvature.
    residual : numpy.ndarray
        Relative residual of the eigenvalue that gives the edge.
    """

    edge: np.ndarray
    radius: np.ndarray
    residual: np.ndarray


def spectrum(field: NetworkField, state: Tensor, seed: int = 0) -> Spectrum:
    """Measure the spectrum of J at states, all rows together.

    Arnoldi's method with full reorthogonalisation (Lanczos's, where J is symmetric); products with
    J are derivatives of G along a vector.

    Parameters
    ----------
    field : NetworkField
        With one row for each row of `state`.
    state : Tensor
        (row, parameter).
    seed : int
        Of the first vectors.
    """
    rows, parameters = state.shape
    size = min(KRYLOV, parameters)
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(parameters, generator=generator, dtype=state.dtype)
    basis = state.new_zeros(rows, size + 1, parameters)
    basis[:, 0] = start / start.norm()
    projected = state.new_zeros(rows, size + 1, size)
    for column in range(size):
        product = _times(field, state, basis[:, column])
        for _ in range(2):
            overlap = torch.einsum("rip,rp->ri", basis[:, : column + 1], product)
            product = product - torch.einsum("ri,rip->rp", overlap, basis[:, : column + 1])
            projected[:, : column + 1, column] += overlap
        norm = product.norm(dim=1)
        projected[:, column + 1, column] = norm
        basis[:, column + 1] = product / norm.clamp_min(torch.finfo(state.dtype).tiny)[:, None]
    return _read(projected.numpy())


def _read(projected: np.ndarray) -> Spectrum:
    """Return the edge from the projections of J, (row, size + 1, size)."""
    edges, radii, residuals = [], [], []
    for matrix in projected:
        size = matrix.shape[1]
        if not np.isfinite(matrix).all():
            for found in (edges, radii, residuals):
                found.append(np.nan)
            continue
        # An invariant subspace ends the matter early.
        below = np.flatnonzero(np.diag(matrix[1:]) <= 1e-12 * np.abs(matrix).max())
        size = int(below[0]) + 1 if len(below) else size
        values, vectors = np.linalg.eig(matrix[:size, :size].astype(np.complex128))
        vectors = vectors / np.linalg.norm(vectors, axis=0)
        residual = np.abs(matrix[size, size - 1] * vectors[-1])
        largest = float(np.abs(values).max())
        good = (residual <= CONVERGED * largest) & (np.real(values) > CONVERGED * largest)
        limits = np.where(good, 2.0 * np.real(values) / np.abs(values) ** 2, np.inf)
        least = int(limits.argmin())
        edges.append(limits[least])
        radii.append(largest)
        residuals.append(residual[least] / largest if largest else np.nan)
    return Spectrum(np.array(edges), np.array(radii), np.array(residuals))


def _times(field: NetworkField, state: Tensor, vector: Tensor) -> Tensor:
    """Return J times a vector of each row, (row, parameter)."""
    time = state.new_zeros(len(state))
    with warnings.catch_warnings(), torch.no_grad():
        # torch's forward mode compiles a part of itself, on first use, by its own old means.
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", DeprecationWarning)
        return -torch.func.jvp(lambda at: field(time, at), (state,), (vector,))[1]

"""The stability edge: the rate above which steps at a point of the flow amplify disturbances.

Along an eigenvector of J = dG/dtheta with eigenvalue lambda = a + ib, a > 0, heavy-ball steps
multiply a disturbance by the roots of z^2 - (1 + mu - eta lambda) z + mu. Both are within the unit
circle exactly if eta lambda is within the ellipse (1 + mu)(1 - cos t) - i (1 - mu) sin t, which is
that eta < 2 a (1 + mu) / (a^2 + b^2 (1 + mu)^2 / (1 - mu)^2). Without momentum that is
2 a / abs(lambda)^2; under gd, where J is the Hessian, it is 2 (1 + mu) / sharpness.
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
    """Eigenvalues of J, which bound the stable rates.

    Attributes
    ----------
    values : tuple of numpy.ndarray
        The converged eigenvalues of each row that have a positive real part, complex.
    radius : numpy.ndarray
        Spectral radius of J, (row,); under gd the sharpness where that is not exceeded by a
        negative curvature. NaN where J is not finite.
    """

    values: tuple[np.ndarray, ...]
    radius: np.ndarray

    def edge(self, momentum: float = 0.0) -> np.ndarray:
        """Return the stability edge, (row,): inf without such an eigenvalue, NaN without J."""
        stretch = ((1.0 + momentum) / (1.0 - momentum)) ** 2
        least = []
        for eigenvalues in self.values:
            a, b = np.real(eigenvalues), np.imag(eigenvalues)
            limits = 2.0 * (1.0 + momentum) * a / (a**2 + stretch * b**2)
            least.append(float(limits.min(initial=np.inf)))
        return np.where(np.isnan(self.radius), np.nan, least)


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
        Seed of the first vectors.
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
    """Return the eigenvalues from the projections of J, (row, size + 1, size)."""
    eigenvalues: list[np.ndarray] = []
    radii: list[float] = []
    for matrix in projected:
        size = matrix.shape[1]
        if not np.isfinite(matrix).all():
            eigenvalues.append(np.empty(0, dtype=np.complex128))
            radii.append(np.nan)
            continue
        # Where the Krylov space is invariant the process is over: later columns are rounding.
        below = np.flatnonzero(np.diag(matrix[1:]) <= 1e-12 * np.abs(matrix).max())
        size = int(below[0]) + 1 if len(below) else size
        values, vectors = np.linalg.eig(matrix[:size, :size].astype(np.complex128))
        vectors = vectors / np.linalg.norm(vectors, axis=0)
        residual = np.abs(matrix[size, size - 1] * vectors[-1])
        largest = float(np.abs(values).max())
        good = (residual <= CONVERGED * largest) & (np.real(values) > CONVERGED * largest)
        eigenvalues.append(values[good])
        radii.append(largest)
    return Spectrum(tuple(eigenvalues), np.array(radii))


def _times(field: NetworkField, state: Tensor, vector: Tensor) -> Tensor:
    """Return J times a vector of each row, (row, parameter)."""
    time = state.new_zeros(len(state))
    with warnings.catch_warnings(), torch.no_grad():
        # On its first use torch's forward mode calls torch.jit.script, which torch deprecates.
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", DeprecationWarning)
        return -torch.func.jvp(lambda at: field(time, at), (state,), (vector,))[1]

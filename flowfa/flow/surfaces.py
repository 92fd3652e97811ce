"""Surfaces: samples on one line share a kink, so they are merged before anything else.

Samples x_k = c_k e_p (duplicates, opposites, scaled copies) vanish together on the surface
zeta_p = w . e_p = 0, and sigma(c z) = |c| sigma(z) + [c < 0] c (1 + alpha) z. Zero samples have
no surface. The directions e_p have length one, because a surface is where it is whatever the
length of its samples: what counts as dependent, or as zero, must not follow from the longest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

COLLINEAR = 1e-13
"""Samples are on one line if what remains beside it is below this share of their norm."""


@dataclass(frozen=True)
class Surfaces:
    """The surfaces of the data, the same for all trajectories or one set for each.

    Attributes
    ----------
    directions : numpy.ndarray
        e_p, of length one, (set, surface, feature); zero rows fill up sets with fewer surfaces.
    gram : numpy.ndarray
        K_pq = e_p . e_q, (set, surface, surface).
    surface : numpy.ndarray
        The surface of each sample, (set, sample); zero samples have surface 0 with factor 0.
    factor : numpy.ndarray
        c_k, (set, sample).
    """

    directions: np.ndarray
    gram: np.ndarray
    surface: np.ndarray
    factor: np.ndarray

    @cached_property
    def merged(self) -> bool:
        """Whether surfaces are anything but those of the samples themselves, in order."""
        samples = np.arange(self.surface.shape[1])
        return not ((self.surface == samples).all() and (self.factor > 0.0).all())

    @cached_property
    def longest(self) -> np.ndarray:
        """Length of the longest sample of each set, (set,)."""
        return np.abs(self.factor).max(axis=1)

    @cached_property
    def reach(self) -> np.ndarray:
        """Length of the longest sample of each surface, (set, surface)."""
        onto = self.surface[:, :, None] == np.arange(self.gram.shape[1])
        return (onto * np.abs(self.factor)[:, :, None]).max(axis=1)

    @cached_property
    def sample_gram(self) -> np.ndarray:
        """x_k . x_l, (set, sample, sample)."""
        sets = np.arange(len(self.gram))[:, None, None]
        between = self.gram[sets, self.surface[:, :, None], self.surface[:, None, :]]
        return between * self.factor[:, :, None] * self.factor[:, None, :]

    @cached_property
    def primal(self) -> bool:
        """Whether K u costs less as E (E' u) than by the Gram matrix."""
        _, P, d = self.directions.shape
        return 2 * d < P

    @cached_property
    def _gather(self) -> tuple[np.ndarray, np.ndarray]:
        """Matrices (set, sample, surface) that make R and L of the samples' signals."""
        onto = self.surface[:, :, None] == np.arange(self.gram.shape[1])
        factor = self.factor[:, :, None]
        return onto * np.abs(factor), onto * np.minimum(factor, 0.0)

    def signals(self, r: np.ndarray, leak: float) -> tuple[np.ndarray, np.ndarray]:
        """Return R_p = sum |c_k| r_k and L_p = (1 + alpha) sum_{c_k < 0} c_k r_k.

        Parameters
        ----------
        r : numpy.ndarray
            Residual signals, (trajectory, ..., output, sample).
        leak : float

        Returns
        -------
        tuple of numpy.ndarray
            Each (trajectory, ..., output, surface).
        """
        if not self.merged:
            factor = self.factor.reshape(len(self.factor), *(1,) * (r.ndim - 2), -1)
            return r * factor, np.zeros_like(r)
        magnitude, negative = (
            matrix.reshape(len(matrix), *(1,) * (r.ndim - 3), *matrix.shape[1:])
            for matrix in self._gather
        )
        return r @ magnitude, (1.0 + leak) * (r @ negative)

    def select(self, rows: np.ndarray) -> Surfaces:
        """Return the surfaces of some trajectories."""
        if len(self.gram) == 1:
            return self
        return Surfaces(
            self.directions[rows],
            self.gram[rows],
            self.surface[rows],
            self.factor[rows],
        )


def find_surfaces(inputs: np.ndarray, shared: bool = True) -> Surfaces:
    """Merge collinear samples.

    Parameters
    ----------
    inputs : numpy.ndarray
        (set, sample, feature), the bias's constant column included where there is one.
    shared : bool
        Whether all trajectories have one set. Sets of their own have room for all samples, so that
        shapes do not depend on which trajectories are still running.
    """
    merged = [_merge(samples) for samples in inputs]
    most = max(len(directions) for directions, _, _ in merged) if shared else inputs.shape[1]
    directions = np.zeros((len(merged), most, inputs.shape[2]))
    for i, (distinct, _, _) in enumerate(merged):
        directions[i, : len(distinct)] = distinct
    gram = directions @ directions.transpose(0, 2, 1)
    return Surfaces(
        directions,
        gram,
        np.stack([surface for _, surface, _ in merged]),
        np.stack([factor for _, _, factor in merged]),
    )


def _merge(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return directions, surface of each sample, and factors."""
    norms = np.array([_length(sample) for sample in samples])
    units = samples / np.where(norms > 0.0, norms, 1.0)[:, None]
    gram = units @ units.T
    surface = np.full(len(samples), -1)
    factor = np.zeros(len(samples))
    firsts: list[int] = []
    for k in range(len(samples)):
        if surface[k] >= 0 or norms[k] == 0.0:
            continue
        # A cheap sieve first: the cosine; then the distance to the line, which has no
        # cancellation.
        near = (np.abs(gram[k]) >= 1.0 - 1e-12) & (norms > 0.0)
        for member in np.flatnonzero(near & (surface < 0)):
            side = np.sign(gram[k, member])
            if np.linalg.norm(units[member] - side * units[k]) <= COLLINEAR:
                surface[member] = len(firsts)
                factor[member] = side * norms[member]
        firsts.append(k)
    if not firsts:
        firsts = [0]
    surface[surface < 0] = 0
    return units[firsts], surface, factor


def _length(sample: np.ndarray) -> float:
    """Return the Euclidean norm, also where squares would overflow or vanish."""
    largest = np.abs(sample).max(initial=0.0)
    return largest * float(np.linalg.norm(sample / largest)) if largest > 0.0 else 0.0

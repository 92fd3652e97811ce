"""Space for a block of neurons that pass a step side by side: the last axis has a lane for each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flowfa.machine.compiled import compiled


class Lanes(NamedTuple):
    """Where a block of neurons is; P surfaces, C outputs, B neurons.

    Attributes
    ----------
    zeta, side, slope : ndarray, shape (P, B)
        zeta; the mode as a number; the slope, 0 where a surface slides.
    push, rest : ndarray, shape (3, P, B)
        Coefficients of the drives' parts: u = s G + H.
    u, path : ndarray, shape (3, P, B)
        Coefficients of the drives; of K u, and then of the path of zeta.
    low : ndarray, shape (B,)
        Below it no zeta comes closer to its surface; negative where a neuron must be looked at.
    Q : ndarray, shape (C, 7, B)
        Coefficients of the out-weights' paths.
    v_at : ndarray, shape (time, C, B)
        Out-weights at the asked times, 0 for neurons that are left to the event engine.
    at : ndarray, shape (B,)
        Room for a number of each neuron.
    moved : ndarray, shape (feature, B)
        Space for E' u.
    """

    zeta: np.ndarray
    side: np.ndarray
    slope: np.ndarray
    push: np.ndarray
    rest: np.ndarray
    u: np.ndarray
    path: np.ndarray
    low: np.ndarray
    Q: np.ndarray
    v_at: np.ndarray
    at: np.ndarray
    moved: np.ndarray


@compiled(allocates=True)
def lanes_for(P: int, C: int, B: int, times: int, features: int) -> Lanes:
    """Return the space of a block; see `Lanes`."""
    return Lanes(
        np.empty((P, B)),
        np.empty((P, B)),
        np.empty((P, B)),
        np.empty((3, P, B)),
        np.zeros((3, P, B)),
        np.empty((3, P, B)),
        np.empty((3, P, B)),
        np.empty(B),
        np.empty((C, 7, B)),
        np.empty((times, C, B)),
        np.empty(B),
        np.empty((features, B)),
    )

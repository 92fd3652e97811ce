"""Which modes a neuron takes where surfaces vanish, by bounded least squares.

Attracting surfaces (G < 0) choose y = -s G between alpha |G| and |G| such that the velocity of the
in-weights, q - E' y, is shortest; q is what everything else makes of it. At the upper end the
slope is 1 and zeta grows, at the lower it is alpha and zeta falls, in between it slides.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import lsq_linear

BOUND = 1e-8
"""Closer to an end than this share of |G| counts as at the end."""


def select(
    directions: np.ndarray,
    zero: np.ndarray,
    modes: np.ndarray,
    push: np.ndarray,
    offset: np.ndarray,
    leak: float,
) -> tuple[np.ndarray, int]:
    """Return the modes of a neuron whose surfaces `zero` vanish, and how many were undecided.

    Parameters
    ----------
    directions : numpy.ndarray
        E, (surface, feature).
    zero : numpy.ndarray
        Indices of the vanishing surfaces.
    modes : numpy.ndarray
        Modes so far, (surface,). Surfaces with G >= 0 cross if they were free; one that slid
        takes the side it is pushed to, slope alpha if it is pushed to both.
    push, offset : numpy.ndarray
        G and H, (surface,).
    leak : float
    """
    modes = modes.copy()
    undecided = 0
    attracting = [p for p in zero.tolist() if push[p] < 0.0]
    for p in zero.tolist():
        if push[p] < 0.0:
            continue
        if modes[p] != 0:
            modes[p] = -modes[p]
            continue
        others = _velocity(directions, modes, push, offset, leak, [*attracting, p])
        from_others = directions[p] @ others
        from_itself = directions[p] @ directions[p] * push[p]
        undecided += int(from_others + from_itself > 0.0 and from_others + leak * from_itself < 0.0)
        modes[p] = 1 if from_others + leak * from_itself > 0.0 else -1
    if attracting:
        q = _velocity(directions, modes, push, offset, leak, attracting)
        strength = -push[attracting]
        solution = lsq_linear(
            directions[attracting].T, q, (leak * strength, strength), method="bvls", tol=1e-15
        )
        at_upper = solution.x >= strength * (1.0 - BOUND)
        at_lower = solution.x <= strength * (leak + BOUND)
        modes[attracting] = np.where(at_upper, 1, np.where(at_lower, -1, 0))
    return modes, undecided


def _velocity(
    directions: np.ndarray,
    modes: np.ndarray,
    push: np.ndarray,
    offset: np.ndarray,
    leak: float,
    without: list[int],
) -> np.ndarray:
    """Return dw/dt, but for the terms s G of the surfaces `without` and of those that slide."""
    drive = np.where(modes > 0, push, leak * push)
    drive[without] = 0.0
    drive[modes == 0] = 0.0
    return (drive + offset) @ directions

"""The first event on a neuron's path: a surface met, a sliding one left, an out-weight at zero."""

from __future__ import annotations

import numpy as np

from flowfa.machine.compiled import compiled
from flowfa.solvers.hybrid.modes import RIDGE
from flowfa.solvers.hybrid.polynomials import NONE, first_negative, first_sign_change
from flowfa.solvers.hybrid.records import (
    MODES,
    OWN_MAGNITUDES,
    OWN_SIGNS,
    OWN_V,
    SUSPECTS,
    VAGUE,
    ZETA,
    G,
    H,
    Scratch,
)

HYSTERESIS = 1e-7
"""A sliding surface leaves only when its slope is beyond the end by this share of |G|."""
HYSTERESIS_IF_DEPENDENT = 1e-4
"""The same in linearly dependent sliding sets, whose single slopes are known to 1e-16 / RIDGE."""
NOISE = 1e-12 + 4.0 * RIDGE
"""A velocity of zeta is known to this share of max |u|."""


@compiled
def first_event(
    alpha: float, h: float, tau: float, u: np.ndarray, dependent: bool, scratch: Scratch
) -> tuple[float, int]:
    """Return how long the modes stay consistent from tau on, and the surface that ends it.

    Parameters
    ----------
    alpha, h, tau : float
        Leak, length of the step, and where in it the neuron is.
    u : ndarray, shape (3, surface)
        The drives with those of sliding surfaces.
    dependent : bool
        Whether the sliding directions are linearly dependent.
    scratch : Scratch
        With the neuron's `path`.
    """
    zeta, suspects, vague = scratch.lines[ZETA], scratch.lines[SUSPECTS], scratch.lines[VAGUE]
    path, modes = scratch.path, scratch.marks[MODES]
    end, which = 1.0 - tau, -1
    if alpha == 1.0:
        return end, which
    # Bernstein coefficients on the rest of the step enclose the values: most surfaces are cleared
    # by their signs, in a loop without branches.
    third = end / 3.0
    for p in range(len(modes)):
        m = float(modes[p])
        c0, c1, c2, c3 = m * zeta[p], m * path[0, p], m * path[1, p], m * path[2, p]
        low = c0 + third * c1
        high = c0 + third * (2.0 * c1 + end * c2)
        suspects[p] = min(min(c0, low), min(high, c0 + end * (c1 + end * (c2 + end * c3))))
    suspicious = 0
    for p in range(len(modes)):
        suspicious += not suspects[p] > 0.0
    if suspicious == 0:
        return end, which
    for p in range(len(modes)):
        if suspects[p] > 0.0:
            continue
        if modes[p] == 0:
            s = _first_exit(p, tau, alpha, u, dependent, end, scratch)
        else:
            m = float(modes[p])
            c0, c1, c2, c3 = m * zeta[p], m * path[0, p], m * path[1, p], m * path[2, p]
            if c0 != 0.0:
                s = first_negative(c0, c1, c2, c3, end)
            else:
                # It leaves the surface: the zero at s = 0 is divided out. A velocity below the
                # noise is made of rounding and of the ridge.
                noise = NOISE * h * _largest(u)
                if abs(c1) > max(noise, vague[p]):
                    s = first_negative(c1, c2, c3, 0.0, end)
                else:
                    s = first_negative(c2, c3, 0.0, 0.0, end) if abs(c2) > noise else NONE
        if s >= 0.0 and s < end:
            end, which = s, p
    return end, which


@compiled
def any_exit(alpha: float, u: np.ndarray, dependent: bool, scratch: Scratch) -> bool:
    """Return whether a sliding surface leaves within the step; see `first_event`."""
    modes = scratch.marks[MODES]
    for p in range(len(modes)):
        if modes[p] == 0 and _first_exit(p, 0.0, alpha, u, dependent, 1.0, scratch) >= 0.0:
            return True
    return False


@compiled
def first_flip(end: float, scratch: Scratch) -> tuple[float, int]:
    """Return when an out-weight with a signed feedback passes zero before `end`, and which does.

    Returns
    -------
    tuple
        `end` and -1 if none does.
    """
    flip, v, Q = -1, scratch.out[OWN_V], scratch.Q
    signed, enclosure = Q[len(v)], Q[len(v) + 1]
    for c in range(len(v)):
        if scratch.out[OWN_MAGNITUDES, c] == 0.0:
            continue
        start = 1 if v[c] == 0.0 else 0
        for q in range(start, 7):
            signed[q - start] = scratch.out[OWN_SIGNS, c] * Q[c, q]
        s = first_sign_change(signed, 6 - start, end, enclosure)
        if s >= 0.0 and s < end:
            end, flip = s, c
    return end, flip


@compiled
def _largest(u: np.ndarray) -> float:
    """Return max |u|."""
    most = 0.0
    for q in range(u.shape[0]):
        for p in range(u.shape[1]):
            most = max(most, abs(u[q, p]))
    return most


@compiled
def _first_exit(
    p: int,
    tau: float,
    alpha: float,
    u: np.ndarray,
    dependent: bool,
    end: float,
    scratch: Scratch,
) -> float:
    """Return when the slope of a sliding surface reaches an end of [alpha, 1], or `NONE`."""
    g, rest = scratch.drives[G], scratch.drives[H]
    g0 = g[0, p] + tau * (g[1, p] + tau * g[2, p])
    g1, g2 = g[1, p] + 2.0 * tau * g[2, p], g[2, p]
    w0 = u[0, p] - rest[0, p] + tau * (u[1, p] - rest[1, p] + tau * (u[2, p] - rest[2, p]))
    w1 = u[1, p] - rest[1, p] + 2.0 * tau * (u[2, p] - rest[2, p])
    w2 = u[2, p] - rest[2, p]
    hysteresis = HYSTERESIS_IF_DEPENDENT if dependent else HYSTERESIS
    slack = hysteresis * (abs(g[0, p]) + abs(g[1, p]) + abs(g[2, p]))
    # w is not divided by G, which may vanish: with G < 0, alpha G >= w >= G.
    upper = first_negative(w0 - g0 + slack, w1 - g1, w2 - g2, 0.0, end)
    if upper >= 0.0:
        end = upper
    lower = first_negative(alpha * g0 - w0 + slack, alpha * g1 - w1, alpha * g2 - w2, 0.0, end)
    return lower if lower >= 0.0 else upper

"""The drives of one neuron's surfaces: u = s G + H, and A = K u, the velocity of zeta.

Everything is a quadratic in tau: coefficients are rows 0, 1, 2 of (3, surface) arrays. A sliding
surface has the u that keeps its zeta at zero.
"""

from __future__ import annotations

import numpy as np

from flowfa.machine.compiled import compiled
from flowfa.solvers.hybrid.modes import RIDGE, factorise, solve_factorised
from flowfa.solvers.hybrid.records import FULL_A, FULL_U, MEMBERS, MODES, A, Layer, Scratch, U
from flowfa.solvers.hybrid.signals import TO_MONOMIAL

DEPENDENT = 1e-9
"""Sliding sets whose Gram matrix, of directions of length one, has a smaller Cholesky pivot are
linearly dependent."""


@compiled
def drives(
    feedback: np.ndarray, R: np.ndarray, L: np.ndarray, G: np.ndarray, H: np.ndarray
) -> None:
    """Write the coefficients of G_p = b . R_p and H_p = b . L_p.

    Parameters
    ----------
    feedback : ndarray, shape (3, output)
        b at the nodes.
    R, L : ndarray, shape (3, output, surface)
        Residual signals at the nodes.
    G, H : ndarray, shape (3, surface)
        Written to.
    """
    G[:] = 0.0
    H[:] = 0.0
    for i in range(3):
        for c in range(R.shape[1]):
            for q in range(3):
                weight = TO_MONOMIAL[q, i] * feedback[i, c]
                for p in range(R.shape[2]):
                    G[q, p] += weight * R[i, c, p]
                    H[q, p] += weight * L[i, c, p]


@compiled
def steady_drives(
    feedback: np.ndarray,
    R_poly: np.ndarray,
    L_poly: np.ndarray,
    merged: bool,
    G: np.ndarray,
    H: np.ndarray,
) -> None:
    """Write what `drives` writes, for feedback (output,) that does not change."""
    for q in range(3):
        for p in range(G.shape[1]):
            G[q, p] = feedback[0] * R_poly[q, 0, p]
        for c in range(1, len(feedback)):
            for p in range(G.shape[1]):
                G[q, p] += feedback[c] * R_poly[q, c, p]
        if merged:
            for p in range(G.shape[1]):
                H[q, p] = feedback[0] * L_poly[q, 0, p]
            for c in range(1, len(feedback)):
                for p in range(G.shape[1]):
                    H[q, p] += feedback[c] * L_poly[q, c, p]


@compiled
def add_drives(
    jump: float,
    c: int,
    R_poly: np.ndarray,
    L_poly: np.ndarray,
    merged: bool,
    G: np.ndarray,
    H: np.ndarray,
) -> None:
    """Add what a jump of b_c, the feedback from output c, makes of G and H."""
    for q in range(3):
        for p in range(G.shape[1]):
            G[q, p] += jump * R_poly[q, c, p]
            if merged:
                H[q, p] += jump * L_poly[q, c, p]


@compiled
def apply_modes(
    modes: np.ndarray, G: np.ndarray, H: np.ndarray, alpha: float, u: np.ndarray
) -> int:
    """Write u = s G + H for surfaces that do not slide, 0 for those that do; count the latter."""
    sliding = 0
    for p in range(len(modes)):
        sliding += modes[p] == 0
    for q in range(3):
        for p in range(len(modes)):
            driven = G[q, p] if modes[p] > 0 else alpha * G[q, p]
            u[q, p] = 0.0 if modes[p] == 0 else driven + H[q, p]
    return sliding


@compiled(reassociates=True)
def apply_gram(layer: Layer, scratch: Scratch) -> None:
    """Write A = K u, (3, surface): by K itself, or as E (E' u) where that is less work."""
    gram, directions = layer.gram, layer.directions
    moved, u, velocity = scratch.moved, scratch.drives[U], scratch.drives[A]
    velocity[:] = 0.0
    P = u.shape[1]
    if not layer.primal:
        for k in range(P):
            u0, u1, u2 = u[0, k], u[1, k], u[2, k]
            for p in range(P):
                velocity[0, p] += gram[k, p] * u0
                velocity[1, p] += gram[k, p] * u1
                velocity[2, p] += gram[k, p] * u2
        return
    moved[:] = 0.0
    for k in range(P):
        u0, u1, u2 = u[0, k], u[1, k], u[2, k]
        for i in range(directions.shape[1]):
            moved[0, i] += directions[k, i] * u0
            moved[1, i] += directions[k, i] * u1
            moved[2, i] += directions[k, i] * u2
    for p in range(P):
        a0, a1, a2 = 0.0, 0.0, 0.0
        for i in range(directions.shape[1]):
            a0 += directions[p, i] * moved[0, i]
            a1 += directions[p, i] * moved[1, i]
            a2 += directions[p, i] * moved[2, i]
        velocity[0, p], velocity[1, p], velocity[2, p] = a0, a1, a2


@compiled
def change_mode(
    p: int,
    mode: int,
    gram: np.ndarray,
    G: np.ndarray,
    H: np.ndarray,
    alpha: float,
    u: np.ndarray,
    A: np.ndarray,
) -> None:
    """Bring u and A = K u up to date after surface p has taken a new mode."""
    slope = 1.0 if mode > 0 else alpha
    for q in range(3):
        new = 0.0 if mode == 0 else slope * G[q, p] + H[q, p]
        change = new - u[q, p]
        u[q, p] = new
        for k in range(A.shape[1]):
            A[q, k] += gram[p, k] * change


@compiled(from_python=True)
def slide(
    gram: np.ndarray,
    scratch: Scratch,
) -> bool:
    """Write `FULL_U` and `FULL_A` = K u with the sliding part u_F, for which (K u)_F = 0.

    Parameters
    ----------
    gram : ndarray, shape (surface, surface)
    scratch : Scratch
        At least one of its `MODES` is 0; `U` and `A` are those without the sliding part.

    Returns
    -------
    bool
        Whether the sliding directions are linearly dependent, up to `DEPENDENT`: their motion is
        well defined then, the single u_F are not.
    """
    modes, members = scratch.marks[MODES], scratch.marks[MEMBERS]
    matrix, right = scratch.matrix, scratch.right
    u, velocity = scratch.drives[U], scratch.drives[A]
    full_u, full_A = scratch.drives[FULL_U], scratch.drives[FULL_A]
    for q in range(3):
        for p in range(u.shape[1]):
            full_u[q, p], full_A[q, p] = u[q, p], velocity[q, p]
    size = 0
    for p in range(len(modes)):
        if modes[p] == 0:
            members[size] = p
            size += 1
    if size == 1:
        p = members[0]
        for q in range(3):
            x = -velocity[q, p] / gram[p, p]
            full_u[q, p] = x
            for k in range(len(modes)):
                full_A[q, k] += gram[p, k] * x
        return False
    for i in range(size):
        for j in range(size):
            matrix[i, j] = gram[members[i], members[j]]
        matrix[i, i] += RIDGE
    dependent = factorise(matrix, size) < DEPENDENT
    # The second round takes out what the ridge leaves of (K u)_F.
    for _ in range(2):
        for i in range(size):
            for q in range(3):
                right[i, q] = -full_A[q, members[i]]
        solve_factorised(matrix, right, size, 3)
        for i in range(size):
            for q in range(3):
                x = right[i, q]
                full_u[q, members[i]] += x
                for p in range(len(modes)):
                    full_A[q, p] += gram[members[i], p] * x
    return dependent

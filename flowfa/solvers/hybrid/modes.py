"""Which mode each surface of a neuron takes when preactivations vanish.

A surface p of a neuron (a direction e_p of samples; zeta_p = w . e_p) is in mode +1 (slope 1),
-1 (slope alpha) or 0 (it slides: zeta_p stays 0 with the slope in between that keeps it there).
The drive is u_p = s_p G_p + H_p and zeta' = K u with the Gram matrix K (docs/theory/hybrid.md,
modes).
"""

from __future__ import annotations

import numpy as np

from flowfa.machine.compiled import compiled
from flowfa.solvers.hybrid.records import BOX, BOXED, DRIVE, FREE, MODES, PUSH, STATE, ZERO, Scratch

RIDGE = 1e-11
"""Added to the diagonal of a sliding set's Gram matrix, which is one."""
FLIP = 1e-8
"""A surface leaves a bound only if its velocity is wrong by more than this share of |G| K_pp."""


@compiled
def factorise(matrix: np.ndarray, size: int) -> float:
    """Overwrite a positive definite matrix by its Cholesky factor; return the least pivot."""
    least = np.inf
    for i in range(size):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            if i == j:
                least = min(least, total)
                matrix[i, i] = np.sqrt(max(total, 1e-300))
            else:
                matrix[i, j] = total / matrix[j, j]
    return least


@compiled
def solve_factorised(factor: np.ndarray, right: np.ndarray, size: int, sides: int) -> None:
    """Overwrite the right sides (>= size, >= sides) by solutions, after `factorise`."""
    for side in range(sides):
        for i in range(size):
            total = right[i, side]
            for k in range(i):
                total -= factor[i, k] * right[k, side]
            right[i, side] = total / factor[i, i]
        for i in range(size - 1, -1, -1):
            total = right[i, side]
            for k in range(i + 1, size):
                total -= factor[k, i] * right[k, side]
            right[i, side] = total / factor[i, i]


@compiled(from_python=True)
def select_modes(
    gram: np.ndarray,
    alpha: float,
    count: int,
    scratch: Scratch,
) -> int:
    """Choose a consistent mode for all surfaces at zero together.

    Attracting surfaces (G < 0) solve the box problem min 1/2 y'Ky - d'y, alpha |G| <= y <= |G|
    with y = -s G: at the upper end slope 1 and zeta' >= 0, at the lower end slope alpha and
    zeta' <= 0, between them zeta' = 0 (sliding). It is convex; Murty's least-index pivoting ends
    after finitely many exchanges. Surfaces with G >= 0 cross to their other side; a surface that
    was sliding takes the side its velocity points to; a start on a repelling surface takes slope
    alpha, the convention of torch.

    Parameters
    ----------
    gram : ndarray, shape (surface, surface)
    alpha : float
    count : int
        How many surfaces are at zero.
    scratch : Scratch
        `ZERO` lists them; `PUSH` is G_p at this time; `DRIVE` zeta' of each surface at zero from
        all drives but their own s G terms, which is changed. `MODES` is changed for them.

    Returns
    -------
    int
        Number of repelling surfaces at which the choice was not unique.
    """
    lines, marks, matrix, right = scratch.lines, scratch.marks, scratch.matrix, scratch.right
    push, drive, y = lines[PUSH], lines[DRIVE], lines[BOX]
    zero, modes, state, boxed, free = (
        marks[ZERO],
        marks[MODES],
        marks[STATE],
        marks[BOXED],
        marks[FREE],
    )
    repelling = 0
    boxes = 0
    for i in range(count):
        p = zero[i]
        if push[p] < 0.0:
            boxed[boxes] = i
            boxes += 1
            continue
        if modes[p] != 0:
            modes[p] = -modes[p]
        else:
            up, down = drive[i] + gram[p, p] * push[p], drive[i] + gram[p, p] * alpha * push[p]
            if up > 0.0 and down < 0.0:
                repelling += 1
            modes[p] = 1 if down > 0.0 else -1
        slope = 1.0 if modes[p] > 0 else alpha
        for k in range(count):
            if k != i:
                drive[k] += gram[zero[k], p] * slope * push[p]
    if boxes == 0:
        return repelling
    for a in range(boxes):
        state[a] = 0
    for _ in range(100 + 20 * boxes):
        size = 0
        for a in range(boxes):
            strength = -push[zero[boxed[a]]]
            if state[a] == 0:
                free[size] = a
                size += 1
            else:
                y[a] = strength if state[a] > 0 else alpha * strength
        for s in range(size):
            p = zero[boxed[free[s]]]
            right[s, 0] = drive[boxed[free[s]]]
            for a in range(boxes):
                if state[a] != 0:
                    right[s, 0] -= gram[p, zero[boxed[a]]] * y[a]
            for s2 in range(size):
                matrix[s, s2] = gram[p, zero[boxed[free[s2]]]]
            matrix[s, s] += RIDGE
        factorise(matrix, size)
        solve_factorised(matrix, right, size, 1)
        changed = False
        for s in range(size):
            y[free[s]] = right[s, 0]
        # The second round is that of `slide`. Between nearly equal directions it shifts the drives
        # by much, and a choice made without it would be undone at once.
        for s in range(size):
            p = zero[boxed[free[s]]]
            right[s, 0] = drive[boxed[free[s]]]
            for a in range(boxes):
                right[s, 0] -= gram[p, zero[boxed[a]]] * y[a]
        solve_factorised(matrix, right, size, 1)
        for s in range(size):
            y[free[s]] += right[s, 0]
        for a in range(boxes):
            p = zero[boxed[a]]
            strength = -push[p]
            if state[a] == 0:
                if y[a] > strength:
                    state[a], changed = 1, True
                elif y[a] < alpha * strength:
                    state[a], changed = -1, True
            else:
                velocity = drive[boxed[a]]
                for c in range(boxes):
                    velocity -= gram[p, zero[boxed[c]]] * y[c]
                if velocity * state[a] < -FLIP * strength * gram[p, p]:
                    state[a], changed = 0, True
            if changed:
                break
        if not changed:
            break
    for a in range(boxes):
        modes[zero[boxed[a]]] = state[a]
    return repelling

"""All neurons of all trajectories through one step: the compiled loop over rows."""

from __future__ import annotations

import numpy as np

from flowfa.machine.compiled import compiled, compiled_loop
from flowfa.solvers.hybrid.drives import drives, steady_drives
from flowfa.solvers.hybrid.neuron import integrate_neuron

BLOCK = 16
"""Neurons that one task takes: their outputs are added up in a fixed order."""


@compiled_loop
def sweep_rows(
    first: int,
    last: int,
    gram: np.ndarray,
    directions: np.ndarray,
    primal: bool,
    alpha: float,
    h: np.ndarray,
    vanishing: np.ndarray,
    weight_share: np.ndarray,
    fixed: np.ndarray,
    magnitude: np.ndarray,
    v_nodes: np.ndarray,
    R: np.ndarray,
    L: np.ndarray,
    R_poly: np.ndarray,
    L_poly: np.ndarray,
    merged: bool,
    to_monomial: np.ndarray,
    surface: np.ndarray,
    factor: np.ndarray,
    times: np.ndarray,
    first_integral: int,
    zeta: np.ndarray,
    v: np.ndarray,
    modes: np.ndarray,
    signs: np.ndarray,
    v_out: np.ndarray,
    Y_out: np.ndarray,
    outputs: np.ndarray,
    counts: np.ndarray,
    sound: np.ndarray,
) -> None:
    """Integrate the neurons of some tasks; see `integrate_neuron` for what a row does.

    Parameters
    ----------
    first, last : int
        Tasks are blocks of neurons, trajectory by trajectory; those from `first` to before
        `last` are done.
    gram, directions, primal, surface, factor : ndarray
        One entry for all trajectories, or one for each; see `Surfaces`.
    alpha : float
    h, weight_share : ndarray, shape (trajectory,)
        Length of the step, and a of the feedback's form.
    vanishing : ndarray, shape (trajectory, neuron)
        What counts as zero.
    fixed, magnitude : ndarray, shape (trajectory, neuron, output)
        B and M of the feedback's form.
    v_nodes : ndarray, shape (trajectory, 3, neuron, output)
        Out-weights at the nodes, for feedback with a part a v.
    R, L, R_poly, L_poly : ndarray, shape (trajectory, 3, output, surface)
        Signals at the nodes, and their coefficients.
    merged : bool
    to_monomial : ndarray, shape (3, 3)
    times : ndarray, shape (time,)
    first_integral : int
    zeta, v, modes, signs : ndarray, shape (trajectory, neuron, surface or output)
        State at the start of the step; at its end on return.
    v_out : ndarray, shape (trajectory, time, neuron, output)
    Y_out : ndarray, shape (trajectory, time - first_integral, neuron, surface)
    outputs : ndarray, shape (trajectory, block, time, output, sample)
        The network's output at `times` without its bias, summed over the neurons of a block.
    counts : ndarray of int64, shape (trajectory, neuron, 5)
    sound : ndarray of bool, shape (trajectory, neuron)
    """
    neurons, P = zeta.shape[1], zeta.shape[2]
    C, T, blocks = v.shape[2], len(times), outputs.shape[1]
    own_data = gram.shape[0] > 1
    work = np.empty((22, P))
    G, H, feedback = np.empty((3, P)), np.zeros((3, P)), np.empty((3, C))
    zeta_out, Q = np.empty((T, P)), np.empty((C + 2, 7))
    indices, small = np.empty((4, P), np.int64), np.empty((3, P), np.int8)
    matrix, right = np.empty((P, P)), np.empty((P, 3))
    row_zeta, row_modes = np.empty(P), np.empty(P, np.int8)
    row_v, row_signs, magnitudes = np.empty(C), np.empty(C), np.empty(C)
    row_v_out, row_Y = np.empty((T, C)), np.empty((T - first_integral, P))
    row_counts = np.empty(counts.shape[2], np.int64)
    moved = np.empty((3, directions.shape[2] if primal else 0))
    for task in range(first, last):
        i, block = task // blocks, task % blocks
        data = i if own_data else 0
        # Views are counted references, which cost: shared ones are taken once, and rows are
        # copied to the task's own space and back.
        K, E, length, share = gram[data], directions[data], h[i], weight_share[i]
        R_row, L_row, R_poly_row, L_poly_row = R[i], L[i], R_poly[i], L_poly[i]
        total, at_surface, by_factor = outputs[i, block], surface[data], factor[data]
        total[:] = 0.0
        for j in range(block * BLOCK, min((block + 1) * BLOCK, neurons)):
            row_counts[:] = 0
            for p in range(P):
                row_zeta[p], row_modes[p] = zeta[i, j, p], modes[i, j, p]
            for c in range(C):
                row_v[c], row_signs[c] = v[i, j, c], signs[i, j, c]
                magnitudes[c] = magnitude[i, j, c]
                steady = fixed[i, j, c] + magnitudes[c] * signs[i, j, c]
                feedback[0, c] = steady
                if share != 0.0:
                    for node in range(3):
                        feedback[node, c] = share * v_nodes[i, node, j, c] + steady
            if share != 0.0:
                drives(feedback, R_row, L_row, to_monomial, G, H)
            else:
                steady_drives(feedback, R_poly_row, L_poly_row, merged, G, H)
            sound[i, j] = integrate_neuron(
                K,
                E,
                moved,
                alpha,
                length,  # type: ignore[arg-type]  # numpy's stub: an array, not its number
                vanishing[i, j],  # type: ignore[arg-type]  # the same
                share != 0.0,  # type: ignore[arg-type]  # the same
                magnitudes,
                R_poly_row,
                L_poly_row,
                merged,
                G,
                H,
                row_zeta,
                row_v,
                row_modes,
                row_signs,
                times,
                first_integral,
                zeta_out,
                row_v_out,
                row_Y,
                row_counts,
                work,
                Q,
                feedback,
                indices,
                small,
                matrix,
                right,
            )
            if merged:
                add_merged_outputs(zeta_out, row_v_out, at_surface, by_factor, alpha, total)
            else:
                add_outputs(zeta_out, row_v_out, by_factor, alpha, total)
            for p in range(P):
                zeta[i, j, p], modes[i, j, p] = row_zeta[p], row_modes[p]
                for t in range(T - first_integral):
                    Y_out[i, t, j, p] = row_Y[t, p]
            for c in range(C):
                v[i, j, c], signs[i, j, c] = row_v[c], row_signs[c]
                for t in range(T):
                    v_out[i, t, j, c] = row_v_out[t, c]
            for event in range(len(row_counts)):
                counts[i, j, event] = row_counts[event]


@compiled
def add_outputs(
    zeta: np.ndarray, v: np.ndarray, factor: np.ndarray, alpha: float, outputs: np.ndarray
) -> None:
    """Add v sigma(c zeta) of one neuron to outputs (time, output, sample); c is positive."""
    for t in range(v.shape[0]):
        for c in range(v.shape[1]):
            weight = v[t, c]
            for k in range(zeta.shape[1]):
                z = factor[k] * zeta[t, k]
                outputs[t, c, k] += weight * max(z, alpha * z)


@compiled
def add_merged_outputs(
    zeta: np.ndarray,
    v: np.ndarray,
    surface: np.ndarray,
    factor: np.ndarray,
    alpha: float,
    outputs: np.ndarray,
) -> None:
    """Add what `add_outputs` adds, where sample k is factor_k times the direction surface_k."""
    for t in range(v.shape[0]):
        for k in range(len(surface)):
            z = factor[k] * zeta[t, surface[k]]
            hidden = max(z, alpha * z)
            for c in range(v.shape[1]):
                outputs[t, c, k] += v[t, c] * hidden

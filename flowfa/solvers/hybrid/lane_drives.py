"""The drives of a block of neurons side by side, and K u; see `drives` for one neuron's."""

from __future__ import annotations

import numpy as np

from flowfa.machine.compiled import compiled
from flowfa.solvers.hybrid.lanes import Lanes
from flowfa.solvers.hybrid.records import (
    L_POLY,
    R_POLY,
    SIGNS,
    V_NODES,
    Guess,
    L,
    Layer,
    Memory,
    R,
)
from flowfa.solvers.hybrid.signals import TO_MONOMIAL


@compiled(reassociates=True)
def write_drives(layer: Layer, memory: Memory, guess: Guess, begin: int, lanes: Lanes) -> None:
    """Write G, H and u = s G + H of all surfaces, 0 for those that slide."""
    P, B = lanes.zeta.shape
    push, rest, u, weights = lanes.push, lanes.rest, lanes.u, memory.weights
    for q in range(3):
        for p in range(P):
            for i in range(B):
                push[q, p, i] = 0.0
    for c in range(weights.shape[2]):
        for i in range(B):
            j = begin + i
            steady = layer.fixed[j, c] + layer.magnitudes[j, c] * weights[SIGNS, j, c]
            lanes.at[i] = steady
        for q in range(3):
            for p in range(P):
                factor = guess.drives[R_POLY, q, c, p]
                for i in range(B):
                    push[q, p, i] += factor * lanes.at[i]
        if layer.share != 0.0:
            # b moves: a product of two quadratics, taken at the nodes.
            for node in range(3):
                for i in range(B):
                    lanes.at[i] = layer.share * weights[V_NODES + node, begin + i, c]
                for q in range(3):
                    for p in range(P):
                        factor = TO_MONOMIAL[q, node] * guess.drives[R, node, c, p]
                        for i in range(B):
                            push[q, p, i] += factor * lanes.at[i]
    if layer.merged:
        _write_rest(layer, memory, guess, begin, lanes)
    for q in range(3):
        for p in range(P):
            for i in range(B):
                driven = lanes.slope[p, i] * push[q, p, i]
                if layer.merged:
                    driven += abs(lanes.side[p, i]) * rest[q, p, i]
                u[q, p, i] = driven


@compiled(reassociates=True)
def _write_rest(layer: Layer, memory: Memory, guess: Guess, begin: int, lanes: Lanes) -> None:
    """Write H, as `write_drives` writes G."""
    P, B = lanes.zeta.shape
    rest, weights = lanes.rest, memory.weights
    for q in range(3):
        for p in range(P):
            for i in range(B):
                total = 0.0
                for c in range(weights.shape[2]):
                    j = begin + i
                    steady = layer.fixed[j, c] + layer.magnitudes[j, c] * weights[SIGNS, j, c]
                    total += guess.drives[L_POLY, q, c, p] * steady
                    if layer.share != 0.0:
                        for node in range(3):
                            factor = TO_MONOMIAL[q, node] * guess.drives[L, node, c, p]
                            total += factor * layer.share * weights[V_NODES + node, j, c]
                rest[q, p, i] = total


@compiled
def apply_gram(layer: Layer, lanes: Lanes) -> None:
    """Write K u: by K itself, or as E (E' u) where that is less work."""
    for q in range(3):
        if layer.primal:
            _multiply(layer.directions, True, lanes.u[q], lanes.moved)
            _multiply(layer.directions, False, lanes.moved, lanes.path[q])
        else:
            _multiply(layer.gram, False, lanes.u[q], lanes.path[q])


@compiled(reassociates=True)
def _multiply(matrix: np.ndarray, transposed: bool, right: np.ndarray, out: np.ndarray) -> None:
    """Write a product, two rows from four at a time, so that numbers are loaded less often."""
    B, inner, rows = right.shape[1], len(right), len(out)
    for p in range(0, rows, 2):
        # The last of an odd number of rows is made twice.
        other = min(p + 1, rows - 1)
        for i in range(B):
            out[p, i] = 0.0
            out[other, i] = 0.0
        for k in range(0, inner, 4):
            a0, b0 = _entries(matrix, transposed, p, other, k)
            a1, b1 = _entries(matrix, transposed, p, other, k + 1)
            a2, b2 = _entries(matrix, transposed, p, other, k + 2)
            a3, b3 = _entries(matrix, transposed, p, other, k + 3)
            k1, k2, k3 = min(k + 1, inner - 1), min(k + 2, inner - 1), min(k + 3, inner - 1)
            for i in range(B):
                r0, r1, r2, r3 = right[k, i], right[k1, i], right[k2, i], right[k3, i]
                first = out[p, i] + ((a0 * r0 + a1 * r1) + (a2 * r2 + a3 * r3))
                second = out[other, i] + ((b0 * r0 + b1 * r1) + (b2 * r2 + b3 * r3))
                out[p, i] = first
                out[other, i] = second


@compiled
def _entries(
    matrix: np.ndarray, transposed: bool, p: int, other: int, k: int
) -> tuple[float, float]:
    """Return the entries of two rows in column k, 0 beyond the last."""
    if k >= (matrix.shape[0] if transposed else matrix.shape[1]):
        return 0.0, 0.0
    if transposed:
        return matrix[k, p], matrix[k, other]
    return matrix[p, k], matrix[other, k]

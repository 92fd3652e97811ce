"""Keeping the in-weights of sliding neurons on their surfaces, step after step."""

from __future__ import annotations

import numpy as np

from flowfa.machine.compiled import compiled
from flowfa.solvers.hybrid.modes import RIDGE, factorise, solve_factorised
from flowfa.solvers.hybrid.records import Layer, Memory

DRIFT = 1e-14
"""Share of the farthest that a neuron was from its surfaces at which it is put back."""


@compiled(allocates=True)
def put_on_surfaces(layer: Layer, memory: Memory) -> None:
    """Put the sliding preactivations of a state to zero but for one rounding.

    A step leaves a preactivation that slides off zero by its rounding, and steps add up; then the
    state would no longer tell that it slides. C-1 changes by the square of what is taken off.

    Parameters
    ----------
    layer : Layer
    memory : Memory
        ``zeta`` holds the preactivations of its ``state``, which is changed.
    """
    zeta, modes, gram, E = memory.zeta, memory.modes, layer.gram, layer.directions
    features = E.shape[1] - (1 if layer.bias_at >= 0 else 0)
    P = zeta.shape[1]
    members, matrix, right = np.empty(P, np.int64), np.empty((P, P)), np.empty((P, 1))
    off = np.empty(P)
    for j in range(len(zeta)):
        size, farthest = 0, 0.0
        for p in range(P):
            if modes[j, p] == 0:
                members[size] = p
                size += 1
                farthest = max(farthest, abs(zeta[j, p]))
        if not farthest > DRIFT * memory.farthest[j]:
            continue
        for a in range(size):
            for b in range(size):
                matrix[a, b] = gram[members[a], members[b]]
            matrix[a, a] += RIDGE
            off[a] = zeta[j, members[a]]
        factorise(matrix, size)
        # The second round takes off what the ridge leaves.
        for _ in range(2):
            for a in range(size):
                right[a, 0] = off[a]
            solve_factorised(matrix, right, size, 1)
            for a in range(size):
                p, taken = members[a], layer.unit * right[a, 0]
                for i in range(features):
                    memory.state[j * features + i] -= taken * E[p, i]
                if layer.bias_at >= 0:
                    memory.state[layer.bias_at + j] -= taken * E[p, features]
                for b in range(size):
                    off[b] -= gram[members[b], p] * right[a, 0]

"""Sliding preactivations put back to zero, from which each step takes them by its error."""

from __future__ import annotations

import numpy as np

from flowfa.flow.locked_modes.network import Network
from flowfa.flow.locked_modes.passes import Space, forward
from flowfa.flow.locked_modes.sliding import RIDGE, inverse_length
from flowfa.machine.compiled import compiled
from flowfa.solvers.hybrid.modes import factorise, solve_factorised


@compiled(allocates=True)
def put_on_surfaces(
    net: Network, space: Space, state: np.ndarray, modes: np.ndarray, members: np.ndarray
) -> None:
    """Change in-weights by the least that makes sliding preactivations zero, from layer 1 up.

    What is taken off lies in the span of inputs on which the in-weights are zero, so that C-1
    changes by its square only.
    """
    last, rays = len(net.sizes) - 1, len(net.ray_surface)
    for layer in range(1, last):
        any_here = False
        for a in range(len(members)):
            any_here |= members[a, 0] == layer
        if not any_here:
            continue
        forward(net, space, state, modes)
        earlier = net.sizes[layer - 1]
        w = net.weights_at[layer]
        e = net.ray_at[max(layer - 1, 1)]
        below = space.hidden[e : e + (earlier * rays if layer > 1 else 0)]
        gram = net.gram if layer == 1 else space.grams[layer - 1]
        a = 0
        while a < len(members):
            if members[a, 0] != layer:
                a += 1
                continue
            neuron, begin = members[a, 1], a
            while a < len(members) and members[a, 0] == layer and members[a, 1] == neuron:
                a += 1
            size = a - begin
            matrix, right = np.empty((size, size)), np.empty((size, 1))
            unit = np.empty(size)
            for i in range(size):
                p = members[begin + i, 2]
                unit[i] = inverse_length(gram, p)
                right[i, 0] = space.z[members[begin + i, 3]] * unit[i]
            for i in range(size):
                for k in range(size):
                    product = gram[members[begin + i, 2], members[begin + k, 2]]
                    matrix[i, k] = product * unit[i] * unit[k]
                matrix[i, i] += RIDGE if unit[i] > 0.0 else 1.0
            factorise(matrix, size)
            solve_factorised(matrix, right, size, 1)
            for i in range(size):
                p, share = members[begin + i, 2], right[i, 0] * unit[i]
                for m in range(earlier):
                    value = net.surfaces[p, m] if layer == 1 else below[m * rays + p]
                    state[w + neuron * earlier + m] -= share * value
                if net.bias_at[layer] >= 0:
                    state[net.bias_at[layer] + neuron] -= share

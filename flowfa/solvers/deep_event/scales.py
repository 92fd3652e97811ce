"""What errors are measured against: the largest weight and bias of each layer so far."""

from __future__ import annotations

import numpy as np

from flowfa.flow.locked_modes.network import Network
from flowfa.machine.compiled import compiled


@compiled(allocates=True)
def scaled_error(
    net: Network, errors: np.ndarray, sizes: np.ndarray, before: np.ndarray, after: np.ndarray
) -> float:
    """Return the largest error of a weight or bias relative to the largest of its matrix so far."""
    most, last = 0.0, len(net.sizes) - 1
    for layer in range(1, last + 1):
        for part in range(2):
            first = net.weights_at[layer] if part == 0 else net.bias_at[layer]
            if first < 0:
                continue
            stop = first + net.sizes[layer] * (net.sizes[layer - 1] if part == 0 else 1)
            error, size = 0.0, sizes[layer, part]
            for i in range(first, stop):
                if not abs(errors[i]) < np.inf:
                    return np.inf
                error = max(error, abs(errors[i]))
                size = max(size, max(abs(before[i]), abs(after[i])))
            if error > 0.0:
                most = max(most, error / size)
    return most


@compiled(allocates=True, from_python=True)
def update_sizes(net: Network, state: np.ndarray, sizes: np.ndarray) -> None:
    """Raise the largest weight and bias of each layer so far to those of a state."""
    for layer in range(1, len(net.sizes)):
        for part in range(2):
            first = net.weights_at[layer] if part == 0 else net.bias_at[layer]
            if first < 0:
                continue
            stop = first + net.sizes[layer] * (net.sizes[layer - 1] if part == 0 else 1)
            for i in range(first, stop):
                sizes[layer, part] = max(sizes[layer, part], abs(state[i]))

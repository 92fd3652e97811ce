"""The signs of weights, which feedback with a part M * sign(W)^T follows."""

from __future__ import annotations

import numpy as np

from flowfa.flow.locked_modes.network import Network


def signs_of(net: Network, state: np.ndarray) -> np.ndarray:
    """Return the signs of the weights of layers 2 to L + 1, as ``Network.signs_at`` says."""
    parts = []
    for layer in range(2, len(net.sizes)):
        neurons, earlier = int(net.sizes[layer]), int(net.sizes[layer - 1])
        weights = state[net.weights_at[layer] :][: neurons * earlier].reshape(neurons, earlier)
        parts.append(np.where(weights.T >= 0.0, 1.0, -1.0).ravel())
    return np.concatenate(parts)

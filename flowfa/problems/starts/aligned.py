"""A start that satisfies the hypotheses of L-1 and P-2 under every built-in rule at once."""

from __future__ import annotations

import math

import numpy as np

from flowfa.problems.starts.base import RandomStart, start


@start("aligned")
class AlignedStart(RandomStart):
    """Feedback of the same signs as the weights, and in-weights small enough for kappa_j > 0.

    For l >= 2 the entries of W_l are +-c_l u, those of B_l^T have the same signs and magnitudes
    c_l u', with u and u' independent and uniform on [1/2, 3/2]. So ``<w_out, b>``, ``||w_out||^2``
    and ``sum_r M_r |w_out,r|`` of a neuron of layer l are at least g = n_{l+1} c_{l+1}^2 / 4. The
    in-weights have ||w_in||^2 <= 0.81 g, by the choice of c_l, and of the norms of the rows of
    W_1. Hence kappa_j > 0 for fa, adafa, frsf, dfa (last hidden layer), gd (which needs
    ||w_in||^2 < ||w_out||^2) and for signfa with s = 1 or Xavier's s.

    The weights depend on the architecture and the stream alone, not on the rule, so that rules
    run side by side from the same start.
    """

    def draw_weights(
        self, sizes: tuple[int, ...], generator: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Draw W_1 with normal directions and bounded rows, later layers with random signs."""
        scales = layer_scales(sizes)
        largest_row = math.sqrt(0.81 / 4.0 * sizes[2] * scales[2] ** 2)
        first = generator.standard_normal((sizes[1], sizes[0]))
        first /= np.linalg.norm(first, axis=1, keepdims=True)
        first *= largest_row * generator.uniform(0.5, 1.0, (sizes[1], 1))
        later = []
        for layer in range(2, len(sizes)):
            shape = (sizes[layer], sizes[layer - 1])
            signs = generator.choice((-1.0, 1.0), shape)
            later.append(scales[layer] * signs * generator.uniform(0.5, 1.5, shape))
        return (first, *later)

    def draw_feedback(
        self,
        kind: str,
        layer: int,
        shape: tuple[int, int],
        weights: tuple[np.ndarray, ...],
        generator: np.random.Generator,
    ) -> np.ndarray:
        """Draw magnitudes, and signs of the weights that the matrix stands in for.

        Direct feedback into an earlier hidden layer stands in for no single matrix; its signs
        are random.
        """
        sizes = (weights[0].shape[1], *(weight.shape[0] for weight in weights))
        fed_from = layer + 1 if kind == "D" else layer
        magnitudes = layer_scales(sizes)[fed_from] * generator.uniform(0.5, 1.5, shape)
        if kind == "D" and fed_from < len(weights):
            return magnitudes * generator.choice((-1.0, 1.0), shape)
        return magnitudes * np.sign(weights[fed_from - 1].T)


def layer_scales(sizes: tuple[int, ...]) -> tuple[float, ...]:
    """Return the typical entry c_l of layer l at index l; indices 0 and 1 are not used.

    From the output down, ||W_l[i,:]||^2 <= (9/4) n_{l-1} c_l^2 = 0.81 n_{l+1} c_{l+1}^2 / 4. The
    output layer's c_L = (n_{L-1} + n_L - 1)^(-1/2) keeps outputs of order one at any width.
    """
    last = len(sizes) - 1
    scales = [0.0] * len(sizes)
    scales[last] = (sizes[last - 1] + sizes[last] - 1) ** -0.5
    for layer in range(last - 1, 1, -1):
        bound = 0.81 / 4.0 * sizes[layer + 1] * scales[layer + 1] ** 2
        scales[layer] = math.sqrt(bound / (2.25 * sizes[layer - 1]))
    return tuple(scales)

"""A balanced start: every hidden neuron has in-weights and out-weights of the same norm."""

from __future__ import annotations

import math

import numpy as np

from flowfa.errors import InputError
from flowfa.problems.starts.base import RandomStart, start
from flowfa.problems.starts.normal import XavierStart


@start("balanced")
class BalancedStart(RandomStart):
    """W_1 is N(0, scale^2), out-weights have random directions and the norm of the in-weights.

    So ||w_in||^2 - ||w_out||^2, which gradient flow conserves (C-1), is 0 at every hidden neuron.
    With a small scale it is the near-zero start of which theorems on implicit bias speak, and its
    networks have the same directions at all scales. Feedback is that of Xavier's law.

    Parameters
    ----------
    scale : float
        The standard deviation of W_1, positive.

    Raises
    ------
    InputError
        If `scale` is not a positive number.

    References
    ----------
    S. S. Du, W. Hu, J. D. Lee, Algorithmic regularization in learning deep homogeneous models:
    Layers are automatically balanced, NeurIPS 2018.
    """

    def __init__(self, scale: float = 0.1) -> None:
        if not 0 < scale < math.inf:
            raise InputError(
                f"the `scale` of a balanced start is {scale}: expected a positive number"
            )
        self.scale = scale

    def draw_weights(
        self, sizes: tuple[int, ...], generator: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Draw W_1, and each later matrix with columns as long as the rows before it."""
        weights = [self.scale * generator.standard_normal((sizes[1], sizes[0]))]
        for size in sizes[2:]:
            matrix = generator.standard_normal((size, len(weights[-1])))
            matrix /= np.linalg.norm(matrix, axis=0)
            weights.append(matrix * np.linalg.norm(weights[-1], axis=1))
        return tuple(weights)

    def draw_feedback(
        self,
        kind: str,
        layer: int,
        shape: tuple[int, int],
        weights: tuple[np.ndarray, ...],
        generator: np.random.Generator,
    ) -> np.ndarray:
        """Draw from Xavier's law, whatever the scale of the weights."""
        return XavierStart().draw_feedback(kind, layer, shape, weights, generator)

"""Normal starts: one standard deviation for all layers, or Xavier's by layer."""

from __future__ import annotations

import itertools
import math

import numpy as np

from flowfa.errors import InputError
from flowfa.problems.starts.base import RandomStart, start


@start("normal")
class NormalStart(RandomStart):
    """Every entry of weights and feedback is N(0, scale^2).

    Parameters
    ----------
    scale : float
        The standard deviation, positive.

    Raises
    ------
    InputError
        If `scale` is not a positive number.
    """

    def __init__(self, scale: float = 0.1) -> None:
        if not 0 < scale < math.inf:
            raise InputError(
                f"the `scale` of a normal start is {scale}: expected a positive number"
            )
        self.scale = scale

    def draw_weights(
        self, sizes: tuple[int, ...], generator: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Draw each W_l from N(0, scale^2)."""
        return tuple(
            self.scale * generator.standard_normal((n_out, n_in))
            for n_in, n_out in itertools.pairwise(sizes)
        )

    def draw_feedback(
        self,
        kind: str,
        layer: int,
        shape: tuple[int, int],
        weights: tuple[np.ndarray, ...],
        generator: np.random.Generator,
    ) -> np.ndarray:
        """Draw from N(0, scale^2)."""
        return self.scale * generator.standard_normal(shape)


@start("xavier")
class XavierStart(RandomStart):
    """Every entry of a matrix is N(0, 2 / (rows + columns)) (Glorot & Bengio 2010)."""

    def draw_weights(
        self, sizes: tuple[int, ...], generator: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Draw each W_l from Xavier's law."""
        return tuple(_xavier((n_out, n_in), generator) for n_in, n_out in itertools.pairwise(sizes))

    def draw_feedback(
        self,
        kind: str,
        layer: int,
        shape: tuple[int, int],
        weights: tuple[np.ndarray, ...],
        generator: np.random.Generator,
    ) -> np.ndarray:
        """Draw from Xavier's law of the matrix's own shape."""
        return _xavier(shape, generator)


def _xavier(shape: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    return math.sqrt(2.0 / sum(shape)) * generator.standard_normal(shape)

"""Starts of other parametrisations, with the rates that make their flow the one of flowfa.

A network with factors in front of its weights, h_l = sigma(s_l V_l h_{l-1}) with V_l of entries
N(0, scale^2), is the network of the weights W_l = s_l V_l; and dV_l/dt = -r_l dLoss/dV_l is
dW_l/dt = -r_l s_l^2 G_l. So scales and rates of layers say all of a parametrisation.
"""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod

import numpy as np

from flowfa.errors import InputError
from flowfa.problems.starts.base import RandomStart, start


class ParametrisedStart(RandomStart):
    """Every entry of W_l and of its feedback is N(0, (s_l scale)^2), s_l the layer's factor.

    Parameters
    ----------
    scale : float
        The standard deviation of the parametrised weights V_l, positive.

    Raises
    ------
    InputError
        If `scale` is not a positive number.
    """

    def __init__(self, scale: float = 1.0) -> None:
        if not 0 < scale < math.inf:
            raise InputError(
                f"the `scale` of the start {self.name} is {scale}: expected a positive number"
            )
        self.scale = scale

    @abstractmethod
    def factor(self, layer: int, inputs: int) -> float:
        """Return s_l of layer l, from 1, with n_{l-1} inputs."""

    def draw_weights(
        self, sizes: tuple[int, ...], generator: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Draw each W_l from N(0, (s_l scale)^2)."""
        return tuple(
            self.scale * self.factor(layer, n_in) * generator.standard_normal((n_out, n_in))
            for layer, (n_in, n_out) in enumerate(itertools.pairwise(sizes), start=1)
        )

    def draw_feedback(
        self,
        kind: str,
        layer: int,
        shape: tuple[int, int],
        weights: tuple[np.ndarray, ...],
        generator: np.random.Generator,
    ) -> np.ndarray:
        """Draw with the factor of the weights that read the neurons which the matrix feeds."""
        reader = layer + 1 if kind == "D" else layer
        return self.scale * self.factor(reader, shape[0]) * generator.standard_normal(shape)


@start("ntk")
class NTKStart(ParametrisedStart):
    """The NTK parametrisation: s_l = n_{l-1}^(-1/2), all rates of V_l are 1 (Jacot et al. 2018)."""

    def factor(self, layer: int, inputs: int) -> float:
        """Return n_{l-1}^(-1/2)."""
        return inputs**-0.5

    def layer_rates(self, sizes: tuple[int, ...]) -> tuple[float, ...]:
        """Return eta_l = s_l^2 = 1 / n_{l-1}."""
        return tuple(1.0 / n_in for n_in in sizes[:-1])


@start("mean-field")
class MeanFieldStart(ParametrisedStart):
    """The mean-field scaling: f = 1/m sum_j a_j sigma(w_j . x), in time t m (Mei et al. 2018)."""

    def factor(self, layer: int, inputs: int) -> float:
        """Return 1 for the hidden layer and 1/m for the output, m the width."""
        return 1.0 if layer == 1 else 1.0 / inputs

    def layer_rates(self, sizes: tuple[int, ...]) -> tuple[float, ...]:
        """Return m for the hidden layer and 1/m for the output.

        Raises
        ------
        InputError
            If there is not one hidden layer.
        """
        if len(sizes) != 3:
            raise InputError(
                f"the mean-field scaling is of one hidden layer, but there are {len(sizes) - 2}: "
                'give one width, or take `parametrisation="ntk"`'
            )
        return (float(sizes[1]), 1.0 / sizes[1])

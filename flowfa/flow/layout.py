"""How a network's parameters lie in one flat vector."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class ParameterLayout:
    """Names, shapes and places of W_1, c_1, ..., W_L, c_L in a flat state.

    Solvers see a state (trajectory, parameter); the field sees matrices, which are views of it.

    Parameters
    ----------
    sizes : tuple of int
        n_0, ..., n_L; n_0 is the dimension of the inputs as the field sees them.
    has_bias : tuple of bool
        Whether layer l (at index l-1) has a bias.
    """

    def __init__(self, sizes: tuple[int, ...], has_bias: tuple[bool, ...]) -> None:
        self.sizes = sizes
        self.shapes: dict[str, tuple[int, ...]] = {}
        for layer, has in enumerate(has_bias, start=1):
            self.shapes[f"W{layer}"] = (sizes[layer], sizes[layer - 1])
            if has:
                self.shapes[f"c{layer}"] = (sizes[layer],)
        self._bounds: dict[str, tuple[int, int]] = {}
        offset = 0
        for name, shape in self.shapes.items():
            self._bounds[name] = (offset, offset + math.prod(shape))
            offset += math.prod(shape)
        self.length = offset

    @property
    def layers(self) -> int:
        """Number of weight layers L."""
        return len(self.sizes) - 1

    @property
    def hidden_neurons(self) -> int:
        """Number of neurons in all hidden layers."""
        return sum(self.sizes[1:-1])

    def views(self, state: Tensor) -> dict[str, Tensor]:
        """Return each parameter as a view of `state` (trajectory, parameter), by name."""
        return {
            name: state[:, slice(*self._bounds[name])].unflatten(1, shape)
            for name, shape in self.shapes.items()
        }

    def spread(self, of_layers: tuple[float, ...], like: Tensor) -> Tensor:
        """Return a number of each layer at all its weights and biases, (parameter,).

        Parameters
        ----------
        of_layers : tuple of float
            For layers 1 to L.
        like : Tensor
            Whose type and device the result has.
        """
        numbers = like.new_empty(self.length)
        for name, (start, stop) in self._bounds.items():
            numbers[start:stop] = of_layers[int(name[1:]) - 1]
        return numbers

    def pack(self, parameters: dict[str, Tensor]) -> Tensor:
        """Return the flat state (trajectory, parameter) of named parameters."""
        return torch.cat([parameters[name].flatten(1) for name in self.shapes], dim=1)

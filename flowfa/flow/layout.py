"""How a network's parameters lie in one flat vector."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor


class ParameterLayout:
    """Names, shapes and places of W_1, c_1, ..., W_L, c_L in a flat state.

    Solvers see a state (trajectory, parameter); the field sees matrices, which are views of it.
    Where a rule moves its feedback, that lies behind the parameters of the network. So there are
    two kinds of flat vectors: states and their velocities, and those of the network alone, such
    as a gradient.

    Parameters
    ----------
    sizes : tuple of int
        n_0, ..., n_L; n_0 is the dimension of the inputs as the field sees them.
    has_bias : tuple of bool
        Whether layer l (at index l-1) has a bias.
    moving : mapping
        Shapes of the feedback that moves, by name.

    Attributes
    ----------
    shapes : dict
        Of the parameters of the network, by name.
    moving : dict
        Of the feedback that moves.
    network_length, length : int
        Of the network's part of a state, and of all of it.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        has_bias: tuple[bool, ...],
        moving: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        self.sizes = sizes
        self.has_bias = has_bias
        self.moving = dict(moving or {})
        self.shapes: dict[str, tuple[int, ...]] = {}
        for layer, has in enumerate(has_bias, start=1):
            self.shapes[f"W{layer}"] = (sizes[layer], sizes[layer - 1])
            if has:
                self.shapes[f"c{layer}"] = (sizes[layer],)
        self._bounds: dict[str, tuple[int, int]] = {}
        offset = 0
        for name, shape in (self.shapes | self.moving).items():
            self._bounds[name] = (offset, offset + math.prod(shape))
            offset += math.prod(shape)
        self.network_length = sum(math.prod(shape) for shape in self.shapes.values())
        self.length = offset

    @property
    def layers(self) -> int:
        """Number of weight layers L."""
        return len(self.sizes) - 1

    @property
    def hidden_neurons(self) -> int:
        """Number of neurons in all hidden layers."""
        return sum(self.sizes[1:-1])

    def of_network(self) -> ParameterLayout:
        """Return the layout without feedback that moves."""
        return ParameterLayout(self.sizes, self.has_bias) if self.moving else self

    def views(self, vector: Tensor) -> dict[str, Tensor]:
        """Return what is in a flat vector (trajectory, parameter) as views of it, by name.

        The parameters of the network, and the feedback that moves if the vector has it.
        """
        shapes = self.shapes
        if vector.shape[1] != self.network_length:
            shapes = shapes | self.moving
        return {
            name: vector[:, slice(*self._bounds[name])].unflatten(1, shape)
            for name, shape in shapes.items()
        }

    def pack(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Return the flat vector (trajectory, parameter) of what is in it, by name."""
        names = [*self.shapes]
        if not self.moving.keys().isdisjoint(parameters):
            names += self.moving
        return torch.cat([parameters[name].flatten(1) for name in names], dim=1)

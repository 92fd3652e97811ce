"""The parameters of a network side by side, and where each one is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from theory_checks.laws.arithmetic.jets import Jet

Entry = tuple[str, tuple[int, ...]]
"""One number: the name of its array, and its indices, from 0 on."""


@dataclass(frozen=True)
class Layout:
    """Arrays by name in one row of numbers.

    Attributes
    ----------
    shapes : mapping
        The shape of each array, in order: ``{"W1": (n_1, n_0), "c1": (n_1,), ...}``.
    """

    shapes: Mapping[str, tuple[int, ...]]

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return sum(prod(shape) for shape in self.shapes.values())

    @cached_property
    def starts(self) -> dict[str, int]:
        """The place of the first number of each array."""
        sizes = [prod(shape) for shape in self.shapes.values()]
        return dict(zip(self.shapes, np.cumsum([0, *sizes]).tolist(), strict=False))

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """What each number is."""
        return tuple(self._entries())

    @cached_property
    def places(self) -> dict[Entry, int]:
        """The place of each number."""
        return {entry: place for place, entry in enumerate(self.entries)}

    def _entries(self) -> Iterator[Entry]:
        for name, shape in self.shapes.items():
            for index in np.ndindex(*shape):
                yield name, index

    def slice_of(self, name: str) -> slice:
        """Return where an array lies."""
        start = self.starts[name]
        return slice(start, start + prod(self.shapes[name]))

    def view(self, state: Jet, name: str) -> Jet:
        """Return one array of a state, (batch, number)."""
        part = state.values[..., self.slice_of(name)]
        return Jet(part.reshape(*part.shape[:-1], *self.shapes[name]), state.numbers)

    def view_of(self, numbers: np.ndarray, name: str) -> np.ndarray:
        """Return one array of plain numbers, (batch, number)."""
        part = numbers[..., self.slice_of(name)]
        return part.reshape(*part.shape[:-1], *self.shapes[name])


def network_shapes(sizes: tuple[int, ...], has_bias: tuple[bool, ...]) -> dict[str, tuple]:
    """Return the shapes of weights and biases, layer by layer."""
    shapes: dict[str, tuple] = {}
    for layer in range(1, len(sizes)):
        shapes[f"W{layer}"] = (sizes[layer], sizes[layer - 1])
        if has_bias[layer - 1]:
            shapes[f"c{layer}"] = (sizes[layer],)
    return shapes

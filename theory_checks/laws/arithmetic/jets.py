"""Arrays of nested dual numbers: values with their derivatives along several directions at once.

A dual number is a + b e with e^2 = 0. Each nesting adds an e of its own and doubles the number of
coefficients: `values[m]` belongs to the product of those e whose bit is set in m. Arithmetic is
that of the numbers below: residues of a prime, or long floating-point numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np


class Numbers(Protocol):
    """An arithmetic of arrays."""

    def reduce(self, values: np.ndarray) -> np.ndarray:
        """Return values in their normal form."""
        ...

    def zeros(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return zeros."""
        ...

    def random(self, source: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return random numbers that are in no special position."""
        ...

    def of(self, values: object) -> np.ndarray:
        """Return numbers of this arithmetic that equal given ones."""
        ...

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Return 1 / values."""
        ...


Operation = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Jet:
    """An array of nested dual numbers.

    Parameters
    ----------
    values : numpy.ndarray
        (coefficient, batch, ...), the number of coefficients a power of two; one for constants.
    numbers : Numbers
    """

    def __init__(self, values: np.ndarray, numbers: Numbers) -> None:
        self.values = values
        self.numbers = numbers

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape without the coefficients: (batch, ...)."""
        return self.values.shape[1:]

    def __add__(self, other: Jet) -> Jet:
        """Return the sum."""
        return self._joined(other, 1)

    def __sub__(self, other: Jet) -> Jet:
        """Return the difference."""
        return self._joined(other, -1)

    def __neg__(self) -> Jet:
        """Return the negative."""
        return Jet(self.numbers.reduce(-self.values), self.numbers)

    def __mul__(self, other: Jet) -> Jet:
        """Return the product, entry by entry."""
        return self._product(other, np.multiply)

    def __matmul__(self, other: Jet) -> Jet:
        """Return the product of a matrix, (batch, out, in), and a vector, (batch, in)."""
        return self._product(other, _matrix_times_vector)

    def times_matrix(self, other: Jet) -> Jet:
        """Return the product of two matrices."""
        return self._product(other, _matrix_times_matrix)

    def outer(self, other: Jet) -> Jet:
        """Return the products of the entries of two vectors, (batch, first, second)."""
        return self._product(other, lambda a, b: a[..., :, None] * b[..., None, :])

    def combined(self, other: Jet, operation: Operation) -> Jet:
        """Return what an operation that is linear in both makes of two arrays."""
        return self._product(other, operation)

    def mapped(self, change: Callable[[np.ndarray], np.ndarray]) -> Jet:
        """Return what a rearrangement of the entries makes of it, such as a transpose."""
        return Jet(change(self.values), self.numbers)

    def inverse(self) -> Jet:
        """Return 1 / self, entry by entry."""
        return self.function(self.numbers.inverse, lambda _, result: -(result * result))

    def function(
        self,
        value: Callable[[np.ndarray], np.ndarray],
        derivative: Callable[[Jet, Jet], Jet],
    ) -> Jet:
        """Return a function of one number, entry by entry.

        Parameters
        ----------
        value : callable
            The function of plain numbers.
        derivative : callable
            Its derivative, made of the argument and of the function's value there.
        """
        half = len(self.values) // 2
        if not half:
            return Jet(value(self.values), self.numbers)
        base = Jet(self.values[:half], self.numbers)
        below = base.function(value, derivative).padded(half)
        along = derivative(base, below) * Jet(self.values[half:], self.numbers)
        return Jet(np.concatenate([below.values, along.padded(half).values]), self.numbers)

    def padded(self, count: int) -> Jet:
        """Return it with more coefficients, the added ones zero."""
        missing = count - len(self.values)
        if missing <= 0:
            return self
        zeros = self.numbers.zeros((missing, *self.shape))
        return Jet(np.concatenate([self.values, zeros]), self.numbers)

    def along(self, direction: Jet, count: int) -> Jet:
        """Return self + e direction with a new e, as 2 `count` coefficients."""
        first, second = self.padded(count).values, direction.padded(count).values
        batch = np.broadcast_shapes(first.shape, second.shape)
        parts = [np.broadcast_to(first, batch), np.broadcast_to(second, batch)]
        return Jet(np.concatenate(parts), self.numbers)

    def split(self, count: int) -> tuple[Jet, Jet]:
        """Return the coefficients without the last e and those with it, `count` of each."""
        values = self.padded(2 * count).values
        return Jet(values[:count], self.numbers), Jet(values[count:], self.numbers)

    def _joined(self, other: Jet, sign: int) -> Jet:
        count = max(len(self.values), len(other.values))
        first, second = self.padded(count).values, other.padded(count).values
        return Jet(self.numbers.reduce(first + sign * second), self.numbers)

    def _product(self, other: Jet, operation: Operation) -> Jet:
        return Jet(_product(self.numbers, self.values, other.values, operation), self.numbers)


def constant(numbers: Numbers, values: np.ndarray) -> Jet:
    """Return numbers, (batch, ...), as a jet without derivatives."""
    return Jet(values[None], numbers)


def joined(jets: list[Jet]) -> Jet:
    """Return jets behind one another along their last axis."""
    count = max(len(jet.values) for jet in jets)
    parts = [jet.padded(count).values for jet in jets]
    batch = np.broadcast_shapes(*(part.shape[:-1] for part in parts))
    wide = [np.broadcast_to(part, (*batch, part.shape[-1])) for part in parts]
    return Jet(np.concatenate(wide, axis=-1), jets[0].numbers)


def _product(
    numbers: Numbers, first: np.ndarray, second: np.ndarray, operation: Operation
) -> np.ndarray:
    if len(first) == 1 or len(second) == 1:
        return numbers.reduce(operation(first, second))
    if len(first) < len(second):
        half = len(second) // 2
        return np.concatenate(
            [_product(numbers, first, part, operation) for part in (second[:half], second[half:])]
        )
    if len(second) < len(first):
        half = len(first) // 2
        return np.concatenate(
            [_product(numbers, part, second, operation) for part in (first[:half], first[half:])]
        )
    half = len(first) // 2
    low = _product(numbers, first[:half], second[:half], operation)
    high = numbers.reduce(
        _product(numbers, first[:half], second[half:], operation)
        + _product(numbers, first[half:], second[:half], operation)
    )
    return np.concatenate([low, high])


def _matrix_times_vector(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    return (matrix * vector[..., None, :]).sum(-1)


def _matrix_times_matrix(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first[..., :, :, None] * second[..., None, :, :]).sum(-2)

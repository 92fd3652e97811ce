"""Floating-point numbers of many digits, for feedback that no residues can follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import mpmath
import numpy as np

DIGITS = 50


def _context() -> Any:
    context = mpmath.mp.clone()
    context.dps = DIGITS
    return context


@dataclass(frozen=True)
class Extended:
    """Arrays of numbers of `DIGITS` digits, with the analytic functions that rules may use."""

    digits = DIGITS
    most_numbers = 60
    """Numbers that move, of the largest network: the time is the third power of them."""
    least_gap = 1e12
    """Factor by which singular values have to fall for a rank to be told."""
    rounding = 1e-45
    """Share of the largest singular value that one is seen as, if it is less."""
    full = 1e-20
    """Share of the largest above which no singular value is small."""
    context: Any = field(default_factory=_context, compare=False)

    def reduce(self, values: np.ndarray) -> np.ndarray:
        """Return the values: they are in their normal form."""
        return values

    def zeros(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return zeros."""
        return np.full(shape, self.context.mpf(0), dtype=object)

    def random(self, source: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return numbers between 1/2 and 3/2 in size, so that nothing is near to a pole."""
        size = source.uniform(0.5, 1.5, shape) * source.choice([-1.0, 1.0], shape)
        return self.of(size)

    def of(self, values: object) -> np.ndarray:
        """Return the numbers that floats are, exactly."""
        array = np.asarray(values)
        if array.dtype == object:
            return array
        flat = [self.context.mpf(value) for value in array.ravel().tolist()]
        result = np.empty(array.shape, dtype=object)
        result.ravel()[:] = flat
        return result

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Return 1 / values."""
        return self._each(lambda value: 1 / value, values)

    def exp(self, values: np.ndarray) -> np.ndarray:
        """Return exp."""
        return self._each(self.context.exp, values)

    def tanh(self, values: np.ndarray) -> np.ndarray:
        """Return tanh."""
        return self._each(self.context.tanh, values)

    def sigmoid(self, values: np.ndarray) -> np.ndarray:
        """Return the logistic function."""
        return self._each(lambda value: 1 / (1 + self.context.exp(-value)), values)

    def sqrt(self, values: np.ndarray) -> np.ndarray:
        """Return the root."""
        return self._each(self.context.sqrt, values)

    def log(self, values: np.ndarray) -> np.ndarray:
        """Return the natural logarithm."""
        return self._each(self.context.log, values)

    def sin(self, values: np.ndarray) -> np.ndarray:
        """Return the sine."""
        return self._each(self.context.sin, values)

    def cos(self, values: np.ndarray) -> np.ndarray:
        """Return the cosine."""
        return self._each(self.context.cos, values)

    def singular_values(self, rows: np.ndarray) -> list[Any]:
        """Return the singular values of a matrix, from the largest on."""
        triangle = self._triangle(rows)
        values = self.context.svd_r(self.context.matrix(triangle.tolist()), compute_uv=False)
        return sorted((self.context.mpf(value) for value in values), reverse=True)

    def _triangle(self, rows: np.ndarray) -> np.ndarray:
        """Return a square matrix with the singular values of a tall one, by reflections."""
        rows = rows.copy()
        count = rows.shape[1]
        for column in range(min(count, len(rows) - 1)):
            vector = rows[column:, column].copy()
            norm = self.context.sqrt((vector * vector).sum())
            if norm == 0:
                continue
            vector[0] = vector[0] + (norm if vector[0] >= 0 else -norm)
            length = (vector * vector).sum()
            part = rows[column:, column:]
            product = (vector[:, None] * part).sum(0) * (2 / length)
            rows[column:, column:] = part - vector[:, None] * product
        return rows[:count]

    def _each(self, function: Callable[[Any], Any], values: np.ndarray) -> np.ndarray:
        return np.asarray(np.frompyfunc(function, 1, 1)(values), dtype=object)

"""Floating-point numbers of double precision, for feedback that only torch itself can compute."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from theory_checks.laws.arithmetic.jets import Jet


@dataclass(frozen=True)
class Floats:
    """Arrays of float64, with the analytic functions that rules may use."""

    digits = 16
    most_numbers = 200
    """Numbers that move, of the largest network whose singular values are told apart."""
    least_gap = 1e4
    """Factor by which singular values have to fall for a rank to be told."""
    rounding = 1e-14
    """Share of the largest singular value that one is seen as, if it is less."""
    full = 1e-7
    """Share of the largest above which no singular value is small."""

    def reduce(self, values: np.ndarray) -> np.ndarray:
        """Return the values: they are in their normal form."""
        return values

    def zeros(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return zeros."""
        return np.zeros(shape)

    def random(self, source: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return numbers between 1/2 and 3/2 in size, so that nothing is near to a pole."""
        return source.uniform(0.5, 1.5, shape) * source.choice([-1.0, 1.0], shape)

    def of(self, values: object) -> np.ndarray:
        """Return the numbers as floats."""
        return np.asarray(values, dtype=float)

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Return 1 / values."""
        return 1.0 / values

    def exp(self, values: np.ndarray) -> np.ndarray:
        """Return exp."""
        return np.exp(values)

    def tanh(self, values: np.ndarray) -> np.ndarray:
        """Return tanh."""
        return np.tanh(values)

    def sigmoid(self, values: np.ndarray) -> np.ndarray:
        """Return the logistic function."""
        return 1.0 / (1.0 + np.exp(-values))

    def sqrt(self, values: np.ndarray) -> np.ndarray:
        """Return the root."""
        return np.sqrt(values)

    def log(self, values: np.ndarray) -> np.ndarray:
        """Return the natural logarithm."""
        return np.log(values)

    def sin(self, values: np.ndarray) -> np.ndarray:
        """Return the sine."""
        return np.sin(values)

    def cos(self, values: np.ndarray) -> np.ndarray:
        """Return the cosine."""
        return np.cos(values)

    def singular_values(self, rows: np.ndarray) -> list[float]:
        """Return the singular values of a matrix, from the largest on."""
        return np.linalg.svd(rows, compute_uv=False).tolist()


def through_torch(function: Callable[..., Tensor], arguments: Sequence[Jet]) -> Jet:
    """Return a function of torch of nested dual numbers, by its own forward derivatives.

    Parameters
    ----------
    function : callable
        Of tensors, (batch, ...) each.
    arguments : sequence of Jet
        Of floats; they are given as many coefficients each.
    """
    count = max(len(jet.values) for jet in arguments)
    values = tuple(torch.as_tensor(np.ascontiguousarray(j.padded(count).values)) for j in arguments)
    with warnings.catch_warnings():
        # Where torch first needs its own forward derivatives, it loads what warns of itself.
        warnings.simplefilter("ignore", DeprecationWarning)
        result = _coefficients(function, values)
    return Jet(result.detach().numpy(), arguments[0].numbers)


def _coefficients(function: Callable[..., Tensor], values: tuple[Tensor, ...]) -> Tensor:
    """Return the coefficients of a function, as many as those of its arguments."""
    half = len(values[0]) // 2
    if not half:
        return function(*(value[0] for value in values))[None]

    def below(*lower: Tensor) -> Tensor:
        return _coefficients(function, lower)

    base, along = (tuple(v[part] for v in values) for part in (slice(half), slice(half, None)))
    value, rate = torch.func.jvp(below, base, along)[:2]
    return torch.cat([value, rate])

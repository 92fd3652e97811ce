"""What a rule's `feedback` sees in place of torch tensors, so that exact arithmetic follows it.

An object of `Traced` takes part in the operators and functions of torch that are algebraic, or
analytic where the numbers below have the function; every other one is refused with its name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from theory_checks.laws.arithmetic.jets import Jet, Numbers


class NotFollowed(Exception):
    """A function of torch that exact arithmetic cannot follow; its name is the message."""


class Traced:
    """A matrix for each network of a batch, as a rule sees it.

    Parameters
    ----------
    jet : Jet
        (batch, ...).
    signs : numpy.ndarray, optional
        The signs of its entries, where they are known: on an orthant they are constant.
    """

    def __init__(self, jet: Jet, signs: np.ndarray | None = None) -> None:
        self.jet = jet
        self.signs = signs

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Let ``torch.sign(weight)`` and its like be methods."""
        name = getattr(function, "__name__", str(function)).strip("_")
        own = getattr(cls, _SAME.get(name, name), None)
        if own is None or name.startswith("torch"):
            raise NotFollowed(name)
        if args and not isinstance(args[0], Traced):
            traced = next(each for each in args if isinstance(each, Traced))
            args = (traced._lifted(args[0]), *args[1:])
        return own(*args, **(kwargs or {}))

    @property
    def shape(self) -> torch.Size:
        """(batch, ...)."""
        return torch.Size(self.jet.shape)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.jet.shape)

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or one entry of it."""
        return self.shape if dim is None else self.shape[dim]

    def __getattr__(self, name: str) -> Any:
        """Refuse everything else by its name."""
        raise NotFollowed(name)

    def __add__(self, other: Any) -> Traced:
        """Return the sum."""
        return Traced(self.jet + self._lifted(other).jet)

    __radd__ = add = __add__

    def __sub__(self, other: Any) -> Traced:
        """Return the difference."""
        return Traced(self.jet - self._lifted(other).jet)

    sub = __sub__

    def __rsub__(self, other: Any) -> Traced:
        """Return the difference."""
        return self._lifted(other) - self

    def __mul__(self, other: Any) -> Traced:
        """Return the product, entry by entry."""
        other = self._lifted(other)
        signs = None if self.signs is None or other.signs is None else self.signs * other.signs
        return Traced(self.jet * other.jet, signs)

    __rmul__ = mul = multiply = __mul__

    def __truediv__(self, other: Any) -> Traced:
        """Return the quotient."""
        return Traced(self.jet * self._lifted(other).jet.inverse())

    div = __truediv__

    def __rtruediv__(self, other: Any) -> Traced:
        """Return the quotient."""
        return self._lifted(other) / self

    def __neg__(self) -> Traced:
        """Return the negative."""
        return Traced(-self.jet, None if self.signs is None else -self.signs)

    neg = __neg__

    def __pow__(self, exponent: int) -> Traced:
        """Return a power with a whole exponent."""
        if exponent != int(exponent) or not 1 <= exponent <= 16:
            raise NotFollowed(f"pow {exponent}")
        result = self
        for _ in range(int(exponent) - 1):
            result = result * self
        return result

    pow = __pow__

    def __matmul__(self, other: Any) -> Traced:
        """Return the product of matrices."""
        return Traced(self.jet.times_matrix(self._lifted(other).jet))

    matmul = bmm = __matmul__

    def __rmatmul__(self, other: Any) -> Traced:
        """Return the product of matrices."""
        return self._lifted(other) @ self

    def square(self) -> Traced:
        """Return the square."""
        return self * self

    def sign(self) -> Traced:
        """Return the signs, which are constant on an orthant of the weights."""
        if self.signs is None:
            raise NotFollowed("sign of anything but weights and what the rule keeps")
        numbers = self.jet.numbers
        return Traced(Jet(numbers.of(self.signs)[None], numbers), self.signs)

    def abs(self) -> Traced:
        """Return the absolute values."""
        return self * self.sign()

    absolute = abs

    def transpose(self, first: int, second: int) -> Traced:
        """Exchange two dimensions."""
        return self._moved(lambda values: _swapped(values, first, second))

    swapaxes = transpose

    @property
    def mT(self) -> Traced:
        """The transposed matrices."""
        return self.transpose(-1, -2)

    def sum(self, dim: Any = None, keepdim: bool = False) -> Traced:
        """Return sums over dimensions that are not the batch."""
        given = dim if isinstance(dim, tuple | list) else (dim,)
        dims = tuple(-self.ndim if d is None else d - self.ndim if d >= 0 else d for d in given)
        if -self.ndim in dims:
            raise NotFollowed("sum over trajectories")
        numbers = self.jet.numbers
        return Traced(
            Jet(numbers.reduce(self.jet.values.sum(axis=dims, keepdims=keepdim)), numbers)
        )

    def roll(self, shifts: int, dims: int) -> Traced:
        """Return entries moved round along a dimension."""
        axis = dims - self.ndim if dims >= 0 else dims
        return self._moved(lambda values: np.roll(values, shifts, axis))

    def clone(self) -> Traced:
        """Return itself: nothing changes it."""
        return self

    contiguous = clone

    def exp(self) -> Traced:
        """Return exp."""
        return self._function("exp", lambda _, value: value)

    def tanh(self) -> Traced:
        """Return tanh."""
        return self._function("tanh", lambda _, value: _one_minus(value * value))

    def sigmoid(self) -> Traced:
        """Return the logistic function."""
        return self._function("sigmoid", lambda _, value: value * _one_minus(value))

    def sqrt(self) -> Traced:
        """Return the root."""
        return self._function("sqrt", lambda _, value: (value + value).inverse())

    def log(self) -> Traced:
        """Return the natural logarithm."""
        return self._function("log", lambda argument, _: argument.inverse())

    def sin(self) -> Traced:
        """Return the sine."""
        return self._function("sin", lambda argument, _: Traced(argument).cos().jet)

    def cos(self) -> Traced:
        """Return the cosine."""
        return self._function("cos", lambda argument, _: -Traced(argument).sin().jet)

    def _function(self, name: str, derivative: Callable[[Jet, Jet], Jet]) -> Traced:
        value = getattr(self.jet.numbers, name, None)
        if value is None:
            raise NotFollowed(name)
        return Traced(self.jet.function(value, derivative))

    def _moved(self, change: Callable[[np.ndarray], np.ndarray]) -> Traced:
        signs = None if self.signs is None else change(self.signs)
        return Traced(self.jet.mapped(change), signs)

    def _lifted(self, other: Any) -> Traced:
        """Return a number or a tensor of torch as a constant beside this one."""
        if isinstance(other, Traced):
            return other
        if isinstance(other, torch.Tensor):
            array = other.detach().numpy()
        elif isinstance(other, int | float | np.ndarray | np.generic):
            array = np.asarray(other)
        else:
            raise NotFollowed(type(other).__name__)
        shape = (1,) * (self.ndim - array.ndim) + array.shape
        array = array.reshape(shape)
        numbers = self.jet.numbers
        return Traced(Jet(numbers.of(array)[None], numbers), np.sign(array).astype(np.int64))


_SAME = {"multiply": "mul", "true_divide": "div", "divide": "div", "subtract": "sub"}


def _swapped(values: np.ndarray, first: int, second: int) -> np.ndarray:
    """Exchange dimensions counted from the end, which the coefficients do not shift."""
    if first >= 0 or second >= 0:
        raise NotFollowed("transpose with dimensions counted from the front")
    return np.swapaxes(values, first, second)


def _one_minus(jet: Jet) -> Jet:
    one = jet.numbers.of(np.ones((1,) * len(jet.shape), dtype=np.int64))
    return Jet(one[None], jet.numbers) - jet


def traced_constant(numbers: Numbers, values: np.ndarray) -> Traced:
    """Return what a rule keeps, (batch, ...), with its signs."""
    return Traced(Jet(numbers.of(values)[None], numbers), np.sign(values).astype(np.int64))

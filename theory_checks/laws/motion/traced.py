"""What a rule's `feedback` sees in place of torch tensors, so that exact arithmetic follows it.

An object of `Traced` takes part in the operators and functions of torch that are algebraic, or
analytic where the numbers below have the function, or constant where signs are known; every other
one raises `NotFollowed` with its name, and torch itself computes the feedback then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from theory_checks.laws.arithmetic.jets import Jet, Numbers
from theory_checks.laws.arithmetic.simple import of_fraction, simple_fraction


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
        if name in _WITHOUT_SELF:
            return own(*args, **(kwargs or {}))
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

    def __bool__(self) -> bool:
        """Refuse to choose a branch: numbers in general position have no size."""
        raise NotFollowed("the truth of a number")

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Any:
        """Refuse to compare, because identity is not what is asked for."""
        raise NotFollowed("eq")

    def __ne__(self, other: object) -> Any:
        """Refuse to compare."""
        raise NotFollowed("ne")

    def __gt__(self, other: Any) -> Traced:
        """Return one where an entry is positive, and zero elsewhere."""
        return self._where_sign(other, 1)

    __ge__ = gt = ge = greater = greater_equal = __gt__

    def __lt__(self, other: Any) -> Traced:
        """Return one where an entry is negative, and zero elsewhere."""
        return self._where_sign(other, -1)

    __le__ = lt = le = less = less_equal = __lt__

    def __invert__(self) -> Traced:
        """Return the opposite of a comparison."""
        return 1 - self

    def double(self) -> Traced:
        """Return itself: its entries are numbers, also where they say whether a sign is so."""
        return self

    float = double

    @staticmethod
    def where(condition: Any, chosen: Any, other: Any) -> Traced:
        """Return entries of one where a sign is so, and of another elsewhere."""
        if not isinstance(condition, Traced):
            raise NotFollowed("where of a condition without weights")
        return condition * chosen + (1 - condition) * other

    def relu(self, inplace: bool = False) -> Traced:
        """Return the positive part."""
        return self * (self > 0)

    def clamp(self, min: Any = None, max: Any = None) -> Traced:
        """Return the positive part, or the negative one."""
        if min == 0 and max is None:
            return self.relu()
        if max == 0 and min is None:
            return self * (self < 0)
        raise NotFollowed("clamp at other numbers than zero")

    clip = clamp

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

    absolute = __abs__ = abs

    def transpose(self, first: int, second: int) -> Traced:
        """Exchange two dimensions."""
        axes = tuple(self._from_end(axis, "transpose") for axis in (first, second))
        return self._moved(lambda values: np.swapaxes(values, *axes))

    swapaxes = transpose

    def permute(self, *dims: Any) -> Traced:
        """Return it with its dimensions in another order, the batch still first."""
        order = dims[0] if len(dims) == 1 else dims
        if sorted(order) != list(range(self.ndim)) or order[0] != 0:
            raise NotFollowed("permute of trajectories")
        axes = [axis - self.ndim for axis in order[1:]]

        def moved(values: np.ndarray) -> np.ndarray:
            before = values.ndim - len(axes)
            return values.transpose([*range(before), *(values.ndim + axis for axis in axes)])

        return self._moved(moved)

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

    def mean(self, dim: Any = None, keepdim: bool = False) -> Traced:
        """Return means over dimensions that are not the batch."""
        total = self.sum(dim, keepdim)
        given = dim if isinstance(dim, tuple | list) else (dim,)
        return total / int(np.prod([self.shape[axis] for axis in given]))

    def unsqueeze(self, dim: int) -> Traced:
        """Return it with a dimension of one more, behind the batch."""
        axis = dim if dim < 0 else dim - self.ndim - 1
        if axis == -self.ndim - 1:
            raise NotFollowed("unsqueeze before the batch")
        return self._moved(lambda values: np.expand_dims(values, axis))

    def __getitem__(self, key: Any) -> Traced:
        """Return some entries, of all trajectories."""
        key = key if isinstance(key, tuple) else (key,)
        whole = key[0] is Ellipsis or (isinstance(key[0], slice) and key[0] == slice(None))
        if not whole or not all(isinstance(k, int | slice) or k is Ellipsis for k in key[1:]):
            raise NotFollowed("indexing of trajectories, or with arrays")
        # Coefficients and trajectories stand before the entries.
        rest = key if key[0] is Ellipsis else (..., *_spread(key, self.ndim)[1:])
        return self._moved(lambda values: values[rest])

    @staticmethod
    def einsum(equation: str, *operands: Any) -> Traced:
        """Return the sums of products of one or two arrays, trajectory by trajectory."""
        inputs, arrow, output = equation.replace(" ", "").partition("->")
        parts = inputs.split(",")
        first = next(one for one in operands if isinstance(one, Traced))
        batch = parts[0][:1]
        apart = arrow and "." not in equation and all(part[:1] == batch for part in parts)
        if not apart or output[:1] != batch or len(operands) not in (1, 2):
            raise NotFollowed(f"einsum {equation}")
        jets = [first._lifted(one).jet for one in operands]
        if len(jets) == 1:
            jets.append(Jet(first.jet.numbers.of(np.ones((1, 1), dtype=np.int64)), jets[0].numbers))
            parts.append("")
        spread = f"...{parts[0][1:]},...{parts[1][1:]}->...{output[1:]}"
        return Traced(jets[0].combined(jets[1], lambda a, b: np.einsum(spread, a, b)))

    def roll(self, shifts: int, dims: int) -> Traced:
        """Return entries moved round along a dimension."""
        axis = dims - self.ndim if dims >= 0 else dims
        return self._moved(lambda values: np.roll(values, shifts, axis))

    def clone(self) -> Traced:
        """Return itself: nothing changes it."""
        return self

    # A flow moves by the value of the feedback, whether torch would differentiate it or not.
    contiguous = detach = clone

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

    def _where_sign(self, other: Any, sign: int) -> Traced:
        zero = isinstance(other, int | float) and other == 0
        if not zero or self.signs is None:
            raise NotFollowed("comparison of anything but signs of weights")
        is_so = (self.signs == sign).astype(np.int64)
        numbers = self.jet.numbers
        return Traced(Jet(numbers.of(is_so)[None], numbers), is_so)

    def _from_end(self, axis: int, name: str) -> int:
        """Return a dimension counted from the end, which coefficients do not shift."""
        from_end = axis - self.ndim if axis >= 0 else axis
        if from_end == -self.ndim:
            raise NotFollowed(f"{name} of trajectories")
        return from_end

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
        numbers, ratio = self.jet.numbers, None
        if isinstance(other, float):
            # 0.1 is 1/10 and rounding, which would be another number.
            ratio = simple_fraction(other)
        values = numbers.of(array) if ratio is None else of_fraction(numbers, ratio).reshape(shape)
        return Traced(Jet(values[None], numbers), np.sign(array).astype(np.int64))


_WITHOUT_SELF = ("einsum", "where")
"""Functions whose first argument need not be the array that they are of."""
_SAME = {"multiply": "mul", "true_divide": "div", "divide": "div", "subtract": "sub"}


def _spread(key: tuple, ndim: int) -> tuple:
    """Return an index with a slice for every dimension that it leaves out."""
    if any(entry is Ellipsis for entry in key):
        raise NotFollowed("indexing with dots behind the first place")
    return (*key, *(slice(None),) * (ndim - len(key)))


def _one_minus(jet: Jet) -> Jet:
    one = jet.numbers.of(np.ones((1,) * len(jet.shape), dtype=np.int64))
    return Jet(one[None], jet.numbers) - jet


def traced_constant(numbers: Numbers, values: np.ndarray) -> Traced:
    """Return what a rule keeps, (batch, ...), with its signs."""
    return Traced(Jet(numbers.of(values)[None], numbers), np.sign(values).astype(np.int64))

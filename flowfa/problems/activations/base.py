"""What an activation has to offer: its value, the slope rules go back by, and its homogeneity."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal, TypeVar

import torch
from torch import Tensor

from flowfa.documents.display import fact_table
from flowfa.registry import Registry

Kinks = Literal["exact", "smoothed", "none"]


class Activation(ABC):
    """The activation h = sigma(z) of every hidden layer.

    Functions act on each number alone: the result for one preactivation does not depend on those
    beside it, not even in the last bit. They leave their arguments as they are, and torch's
    autograd can differentiate them twice.

    To add one, write a class with `value` and `slope`, say what it is, and register it::

        @flowfa.activation("cubed-relu")
        class CubedReLU(flowfa.Activation): ...

    Its parameters are public attributes that its constructor takes by the same names: records
    store them, and checks build it anew from a file.

    Attributes
    ----------
    name : str
        The name it is registered under; set by the decorator.
    degree : float or None
        p with sigma'(z) z = p sigma(z), positive (C-6); None if sigma is not homogeneous, which
        leaves no conservation law.
    kinks : {"exact", "smoothed", "none"}
        Whether the slope jumps at z = 0, or rises there so fast that steps have to resolve it.
    leak : float or None
        alpha of a (leaky) ReLU, exact or smoothed; None for any other activation.
    slope_is_derivative : bool
        False if rules go back by another slope than sigma'(z); `derivative` is sigma' then.
    """

    name: ClassVar[str] = ""
    degree: ClassVar[float | None] = None
    kinks: Kinks = "none"
    leak: float | None = None
    slope_is_derivative: ClassVar[bool] = True

    @abstractmethod
    def value(self, preactivation: Tensor) -> Tensor:
        """Return sigma(z), of the shape of z."""

    @abstractmethod
    def slope(self, preactivation: Tensor) -> Tensor:
        """Return the slope that rules multiply their backward signal by, of the shape of z."""

    def derivative(self, preactivation: Tensor) -> Tensor:
        """Return sigma'(z), which makes the gradient of Eq. (1); by default the slope."""
        return self.slope(preactivation)

    def forward(self, preactivation: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return sigma(z), and the slope if the value is computed from it, else None."""
        return self.value(preactivation), None

    def through(self, signal: Tensor, preactivation: Tensor) -> Tensor:
        """Return signal * slope(z); activations that compute it in one pass override this."""
        return signal * self.slope(preactivation)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        facts = {
            "name": self.name,
            "degree": "not homogeneous" if self.degree is None else f"{self.degree:g}",
            "kinks": self.kinks,
            **{name: str(value) for name, value in vars(self).items()},
        }
        return fact_table(type(self).__name__, facts)

    @property
    def piecewise_linear(self) -> bool:
        """Whether sigma is z for z > 0 and leak * z below, which hybrid and event solvers need."""
        return self.leak is not None and self.kinks != "smoothed"

    def slope_jump(self) -> float:
        """Return by how much the slope rises as z passes zero upwards."""
        tiny = torch.finfo(torch.float64).tiny
        below, above = self.slope(torch.tensor([-tiny, tiny], dtype=torch.float64)).tolist()
        return above - below


ACTIVATIONS: Registry[type[Activation]] = Registry("activation")

AnyActivation = TypeVar("AnyActivation", bound=Activation)


def activation(name: str) -> Callable[[type[AnyActivation]], type[AnyActivation]]:
    """Register an `Activation` under `name`, so that ``Problem(activation=name)`` finds it.

    Raises
    ------
    InputError
        If the name is taken by another class.
    """
    return ACTIVATIONS.named(name)

"""The hyperbolic tangent: an activation without a conservation law."""

from __future__ import annotations

from torch import Tensor

from flowfa.problems.activations.base import Activation, activation


@activation("tanh")
class Tanh(Activation):
    """sigma(z) = tanh(z), not homogeneous, so that it has no law of C-1."""

    def value(self, preactivation: Tensor) -> Tensor:
        """Return tanh(z)."""
        return preactivation.tanh()

    def slope(self, preactivation: Tensor) -> Tensor:
        """Return 1 - tanh(z)^2."""
        return 1.0 - preactivation.tanh().square()

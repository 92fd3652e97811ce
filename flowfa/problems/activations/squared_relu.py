"""The squared ReLU: homogeneous of degree 2."""

from __future__ import annotations

from torch import Tensor

from flowfa.problems.activations.base import Activation, activation


@activation("squared-relu")
class SquaredReLU(Activation):
    """sigma(z) = max(z, 0)^2, of degree 2 (C-6), with a slope that does not jump."""

    degree = 2.0

    def value(self, preactivation: Tensor) -> Tensor:
        """Return max(z, 0)^2."""
        return preactivation.clamp_min(0.0).square()

    def slope(self, preactivation: Tensor) -> Tensor:
        """Return 2 max(z, 0)."""
        return 2.0 * preactivation.clamp_min(0.0)

"""The identity: linear networks."""

from __future__ import annotations

import torch
from torch import Tensor

from flowfa.problems.activations.base import Activation, activation


@activation("identity")
class Identity(Activation):
    """sigma(z) = z: the leaky ReLU with leak 1, for linear networks (C-5)."""

    degree = 1.0
    leak = 1.0

    def value(self, preactivation: Tensor) -> Tensor:
        """Return z."""
        return preactivation

    def slope(self, preactivation: Tensor) -> Tensor:
        """Return 1."""
        return torch.ones_like(preactivation)

    def through(self, signal: Tensor, preactivation: Tensor) -> Tensor:
        """Return the signal."""
        return signal

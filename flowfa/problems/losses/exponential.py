"""The exponential loss."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from flowfa.datasets.dataset import Dataset
from flowfa.problems.losses.base import Loss, binary_targets, loss


@loss("exponential")
class Exponential(Loss):
    """exp(-y f) for labels -1/+1, one output; the loss of P-2. Its infimum 0 is not attained."""

    label_kinds = ("binary",)

    def encode(self, data: Dataset) -> np.ndarray:
        """Return y as (..., 1, sample)."""
        return binary_targets(data)

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        """Return exp(-y f)."""
        return (-target * output).exp().squeeze(-2)

    def derivative(self, output: Tensor, target: Tensor) -> Tensor:
        """Return -y exp(-y f)."""
        return -target * (-target * output).exp()

    def correct(self, output: Tensor, target: Tensor) -> Tensor:
        """Return where y f > 0; an output of exactly zero is wrong."""
        return (target * output > 0).squeeze(-2)

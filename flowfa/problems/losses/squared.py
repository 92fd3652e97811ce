"""The squared loss."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from flowfa.datasets.dataset import Dataset
from flowfa.problems.losses.base import LOSSES, Loss, binary_targets, one_hot


@LOSSES.register("squared")
class Squared(Loss):
    """1/2 ||f - y||^2, summed over outputs.

    Labels -1/+1 are regressed on as they are (one output), class numbers as indicator vectors
    (K outputs). The infimum 0 is attained by an output that interpolates; conflicting labels of
    equal samples keep a network above it.
    """

    name = "squared"
    label_kinds = ("targets", "binary", "classes")

    def encode(self, data: Dataset) -> np.ndarray:
        """Return the targets, (..., output, sample)."""
        if data.label_kind == "classes":
            return one_hot(data)
        if data.y.ndim == data.X.ndim:
            return np.swapaxes(data.y, -1, -2)
        return binary_targets(data)

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        """Return 1/2 ||f - y||^2."""
        return 0.5 * (output - target).square().sum(-2)

    def derivative(self, output: Tensor, target: Tensor) -> Tensor:
        """Return f - y."""
        return output - target

    def correct(self, output: Tensor, target: Tensor) -> Tensor | None:
        """Return None: regression has no classes to get right."""
        return None

"""The squared loss."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from flowfa.datasets.dataset import Dataset
from flowfa.problems.losses.base import Loss, binary_targets, loss, one_hot


@loss("squared")
class Squared(Loss):
    """1/2 ||f - y||^2, summed over outputs.

    Labels, one number each, are regressed on as they are (one output); class numbers as indicator
    vectors (K outputs) if the number of classes was told (`Dataset.told_classes`), as data sets of
    classes do. The infimum 0 is attained by an output that interpolates; conflicting labels of
    equal samples keep a network above it.
    """

    label_kinds = ("targets", "binary", "classes")

    def encode(self, data: Dataset) -> np.ndarray:
        """Return the targets, (..., output, sample)."""
        if data.told_classes:
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
        """Return where the class is right if the targets are classes, else None.

        Targets -1/+1 of one output are classes, told by the output's sign; so are indicator
        vectors, told by the greatest output.
        """
        if target.shape[-2] == 1:
            if not bool((target.abs() == 1.0).all()):
                return None
            return (target * output > 0).squeeze(-2)
        indicator = ((target == 0.0) | (target == 1.0)).all() and (target.sum(-2) == 1.0).all()
        if not bool(indicator):
            return None
        others = output.masked_fill(target > 0, -torch.inf).amax(-2)
        return (output * target).sum(-2) > others

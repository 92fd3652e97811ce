"""The logistic loss."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from flowfa.datasets.dataset import Dataset
from flowfa.problems.losses.base import Loss, binary_targets, loss


@loss("logistic")
class Logistic(Loss):
    """log(1 + exp(-y f)) for labels -1/+1, one output. Its infimum 0 is not attained."""

    label_kinds = ("binary",)

    def encode(self, data: Dataset) -> np.ndarray:
        """Return y as (..., 1, sample)."""
        return binary_targets(data)

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        """Return log(1 + exp(-y f)), accurate for margins of either sign and any size."""
        return softplus(-target * output).squeeze(-2)

    def derivative(self, output: Tensor, target: Tensor) -> Tensor:
        """Return -y / (1 + exp(y f))."""
        return -target * sigmoid(-target * output)

    def correct(self, output: Tensor, target: Tensor) -> Tensor:
        """Return where y f > 0; an output of exactly zero is wrong."""
        return (target * output > 0).squeeze(-2)


def softplus(x: Tensor) -> Tensor:
    """Return log(1 + exp x), to full precision.

    Like `sigmoid` it is put together from exp and log: torch's own kernels (and log1p) round an
    element differently at the end of an array, so that a trajectory's numbers would depend on
    how many others there are; and its softplus is the identity from 20 on, 2e-9 too small.
    """
    # Not abs: torch takes its derivative at 0 for 0, and that of softplus would not be 1/2.
    small = torch.where(x >= 0.0, -x, x).exp()
    one_more = 1.0 + small
    # log(1 + u) with the rounding of 1 + u divided out (Kahan; Goldberg 1991, theorem 4).
    exact = torch.where(one_more == 1.0, small, one_more.log() * (small / (one_more - 1.0)))
    return x.clamp_min(0.0) + exact


def sigmoid(x: Tensor) -> Tensor:
    """Return 1 / (1 + exp(-x)), to full relative precision for x of either sign."""
    small = (-x.abs()).exp()
    return torch.where(x >= 0.0, 1.0, small) / (1.0 + small)

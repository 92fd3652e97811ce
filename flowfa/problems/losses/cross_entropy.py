"""The cross-entropy loss."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from flowfa.datasets.dataset import Dataset
from flowfa.problems.losses.base import Loss, loss, one_hot
from flowfa.problems.losses.logistic import sigmoid, softplus


@loss("cross-entropy")
class CrossEntropy(Loss):
    """-log softmax(f)[y] for class numbers 0..K-1, K outputs. Its infimum 0 is not attained.

    Everything goes through a = log sum_{k != y} exp(f_k - f_y), so that the loss log(1 + exp a)
    and 1 - p_y keep their relative precision when the loss is tiny.
    """

    label_kinds = ("classes",)

    def encode(self, data: Dataset) -> np.ndarray:
        """Return indicator columns, (..., K, sample)."""
        return one_hot(data)

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        """Return log(1 + exp a)."""
        _, log_odds_against = _relative_to_label(output, target)
        return softplus(log_odds_against).squeeze(-2)

    def derivative(self, output: Tensor, target: Tensor) -> Tensor:
        """Return softmax(f) - e_y."""
        relative, log_odds_against = _relative_to_label(output, target)
        others = (relative - softplus(log_odds_against)).exp()
        return torch.where(target > 0, -sigmoid(log_odds_against), others)

    def correct(self, output: Tensor, target: Tensor) -> Tensor:
        """Return where the label's output is greater than every other."""
        relative, _ = _relative_to_label(output, target)
        return (relative < 0).all(-2)


def _relative_to_label(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return f_k - f_y with -inf at k = y, and its log-sum-exp over outputs (dimension kept)."""
    label_output = (output * target).sum(-2, keepdim=True)
    relative = (output - label_output).masked_fill(target > 0, -torch.inf)
    return relative, torch.logsumexp(relative, -2, keepdim=True)

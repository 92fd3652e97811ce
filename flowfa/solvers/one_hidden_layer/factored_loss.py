"""A loss whose derivative has a factor for each sample, which lies below the targets."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from flowfa.datasets import Dataset
from flowfa.flow.field import NetworkField
from flowfa.problems.losses import Loss


class FactoredLoss(Loss):
    """Another loss times a factor of each sample: the last row of the targets.

    Parameters
    ----------
    loss : Loss
    """

    name: ClassVar[str] = "factored"
    label_kinds = ("binary", "classes", "targets")

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    def encode(self, data: Dataset) -> np.ndarray:
        """Return the targets with factors of one."""
        targets = self.loss.encode(data)
        return np.concatenate([targets, np.ones_like(targets[..., :1, :])], axis=-2)

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the loss times the factor."""
        factor = target[..., -1, :]
        return torch.where(factor > 0.0, factor * self.loss.value(output, target[..., :-1, :]), 0.0)

    def derivative(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the derivative times the factor."""
        factor = target[..., -1:, :]
        derivative = self.loss.derivative(output, target[..., :-1, :])
        return torch.where(factor > 0.0, factor * derivative, 0.0)

    def correct(self, output: Tensor, target: Tensor) -> Tensor | None:
        """Return which samples are classified rightly."""
        return self.loss.correct(output, target[..., :-1, :])


def with_factors(field: NetworkField) -> NetworkField:
    """Return the field whose loss has eta_2 and the samples' shares in it, and none elsewhere.

    For a solver that takes the derivative of the loss by itself, as the mean over n samples.
    """
    if field.sample_shares is None and not field.rates:
        return field
    shares = field.sample_shares
    ones = field.targets.new_ones(field.samples)
    factors = ones if shares is None else shares * field.samples
    factors = factors * (field.rates[1] if field.rates else 1.0)
    targets = field.targets
    if factors.ndim == 2 and targets.ndim == 2:
        targets = targets.expand(len(factors), *targets.shape)
    row = factors[..., None, :].expand(*targets.shape[:-2], 1, field.samples)
    return field.replace(
        loss=FactoredLoss(field.loss),
        targets=torch.cat([targets, row], dim=-2),
        sample_shares=None,
    )

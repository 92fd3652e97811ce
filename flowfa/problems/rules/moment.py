"""What a rule that moves its feedback may look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Moment:
    """Networks that follow one rule, at one moment: everything has a leading trajectory dimension.

    Attributes
    ----------
    weights : mapping
        W_2, ..., W_L by name, each (trajectory, n_l, n_{l-1}).
    updates : mapping
        -G_2, ..., -G_L by the same names: how the data move the weights, without weight decay.
    activations : tuple of Tensor
        h_1, ..., h_{L-1}, each (trajectory, n_l, sample).
    output : Tensor
        f, (trajectory, n_L, sample).
    """

    weights: Mapping[str, Tensor]
    updates: Mapping[str, Tensor]
    activations: tuple[Tensor, ...]
    output: Tensor

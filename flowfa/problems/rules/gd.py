"""Gradient descent."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from flowfa.problems.rules.base import FeedbackDraw, Rule, rule


@rule("gd")
class GradientDescent(Rule):
    """B(t) = W(t)^T: backpropagation. Conserves ||w_in||^2 - ||w_out||^2 (Du et al. 2018)."""

    conserved_formula = "||w_in||^2 - ||w_out||^2"

    def draw_feedback(
        self, weights: tuple[np.ndarray, ...], draw: FeedbackDraw
    ) -> dict[str, np.ndarray]:
        """Keep nothing."""
        return {}

    def feedback(self, layer: int, weight: Tensor, kept: Mapping[str, Tensor]) -> Tensor:
        """Return W_l^T."""
        return weight.transpose(-1, -2)

    def conserved(
        self, layer: int, incoming: Tensor, out_weight: Tensor, kept: Mapping[str, Tensor]
    ) -> Tensor:
        """Return ||w_in||^2 - ||w_out||^2."""
        return incoming - out_weight.square().sum(-2)

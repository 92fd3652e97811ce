"""Gradient descent."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from flowfa.problems.rules.base import FeedbackDraw, rule
from flowfa.problems.rules.form import FeedbackForm
from flowfa.problems.rules.in_form import RuleInForm


@rule("gd")
class GradientDescent(RuleInForm):
    """B(t) = W(t)^T: backpropagation. Conserves ||w_in||^2 - ||w_out||^2 (Du et al. 2018)."""

    conserved_formula = "||w_in||^2 - ||w_out||^2"
    conserved_unit = 2.0

    def draw_feedback(
        self, weights: tuple[np.ndarray, ...], draw: FeedbackDraw
    ) -> dict[str, np.ndarray]:
        """Keep nothing."""
        return {}

    def form(self, layer: int, shape: tuple[int, int], kept: Mapping[str, Tensor]) -> FeedbackForm:
        """Return a = 1."""
        return FeedbackForm(weight_share=1.0)

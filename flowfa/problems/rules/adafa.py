"""Adaptive feedback alignment: the feedback is the transposed start."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from flowfa.problems.rules.base import FeedbackDraw, rule
from flowfa.problems.rules.form import FeedbackForm
from flowfa.problems.rules.in_form import RuleInForm


@rule("adafa")
class AdaptiveFeedbackAlignment(RuleInForm):
    """B = W(0)^T, fixed. Conserves 1/2 ||w_in||^2 - <w_out, b> (C-1)."""

    keeps = "B"
    accepts_feedback = False
    conserved_formula = "1/2 ||w_in||^2 - <w_out, b>"

    def draw_feedback(
        self, weights: tuple[np.ndarray, ...], draw: FeedbackDraw
    ) -> dict[str, np.ndarray]:
        """Keep W_2(0)^T, ..., W_L(0)^T."""
        return {f"B{layer}": weight.T.copy() for layer, weight in enumerate(weights[1:], start=2)}

    def form(self, layer: int, shape: tuple[int, int], kept: Mapping[str, Tensor]) -> FeedbackForm:
        """Return B_l."""
        return FeedbackForm(fixed=kept[f"B{layer}"])

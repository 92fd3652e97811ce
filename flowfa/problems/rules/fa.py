"""Feedback alignment."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from flowfa.problems.rules.base import FeedbackDraw, drawn_for_each_layer, rule
from flowfa.problems.rules.form import FeedbackForm
from flowfa.problems.rules.in_form import RuleInForm


@rule("fa")
class FeedbackAlignment(RuleInForm):
    """B fixed and random. Conserves 1/2 ||w_in||^2 - <w_out, b> (C-1)."""

    keeps = "B"
    conserved_formula = "1/2 ||w_in||^2 - <w_out, b>"

    def draw_feedback(
        self, weights: tuple[np.ndarray, ...], draw: FeedbackDraw
    ) -> dict[str, np.ndarray]:
        """Draw B_2, ..., B_L, each of the shape of W_l^T."""
        return drawn_for_each_layer("B", weights, draw)

    def form(self, layer: int, shape: tuple[int, int], kept: Mapping[str, Tensor]) -> FeedbackForm:
        """Return B_l."""
        return FeedbackForm(fixed=kept[f"B{layer}"])

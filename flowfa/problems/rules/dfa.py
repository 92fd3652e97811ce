"""Direct feedback alignment."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from flowfa.problems.rules.base import FeedbackDraw, drawn_from_output, rule
from flowfa.problems.rules.form import FeedbackForm
from flowfa.problems.rules.in_form import RuleInForm


@rule("dfa")
class DirectFeedbackAlignment(RuleInForm):
    """Fixed random D_l from the output into hidden layer l.

    The last hidden layer conserves 1/2 ||w_in||^2 - <w_out, d>; earlier layers have no law in the
    weights (C-1).
    """

    keeps = "D"
    feedback_from = "output"
    conserved_formula = "1/2 ||w_in||^2 - <w_out, d> (last hidden layer)"

    def draw_feedback(
        self, weights: tuple[np.ndarray, ...], draw: FeedbackDraw
    ) -> dict[str, np.ndarray]:
        """Draw D_1, ..., D_{L-1}, D_l of shape (n_l, n_L)."""
        return drawn_from_output("D", weights, draw)

    def form(self, layer: int, shape: tuple[int, int], kept: Mapping[str, Tensor]) -> FeedbackForm:
        """Return D_{l-1}, which skips layers unless l is the last."""
        return FeedbackForm(fixed=kept[f"D{layer - 1}"], skips_layers=f"D{layer}" in kept)

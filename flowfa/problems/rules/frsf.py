"""Sign-concordant feedback with fixed random magnitudes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from flowfa.problems.rules.base import FeedbackDraw, drawn_for_each_layer, rule
from flowfa.problems.rules.form import FeedbackForm
from flowfa.problems.rules.in_form import RuleInForm


@rule("frsf")
class FixedRandomSignFeedback(RuleInForm):
    """B(t) = M * sign(W(t))^T, M >= 0 fixed.

    Conserves ``1/2 ||w_in||^2 - sum_r M_r |w_out,r|``.
    """

    keeps = "M"
    conserved_formula = "1/2 ||w_in||^2 - sum_r M_r |w_out,r|"

    def draw_feedback(
        self, weights: tuple[np.ndarray, ...], draw: FeedbackDraw
    ) -> dict[str, np.ndarray]:
        """Draw M_2, ..., M_L, the magnitudes, each of the shape of W_l^T."""
        drawn = drawn_for_each_layer("M", weights, draw)
        return {name: np.abs(matrix) for name, matrix in drawn.items()}

    def form(self, layer: int, shape: tuple[int, int], kept: Mapping[str, Tensor]) -> FeedbackForm:
        """Return M_l."""
        return FeedbackForm(magnitudes=kept[f"M{layer}"])

"""Sign-concordant feedback with fixed random magnitudes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from flowfa.problems.rules.base import FeedbackDraw, Rule, inner_products, rule


@rule("frsf")
class FixedRandomSignFeedback(Rule):
    """B(t) = M * sign(W(t))^T, M >= 0 fixed. Conserves 1/2 ||w_in||^2 - sum_r M_r |w_out,r|."""

    keeps = "M"
    conserved_formula = "1/2 ||w_in||^2 - sum_r M_r |w_out,r|"

    def draw_feedback(
        self, weights: tuple[np.ndarray, ...], draw: FeedbackDraw
    ) -> dict[str, np.ndarray]:
        """Draw M_2, ..., M_L, the magnitudes, each of the shape of W_l^T."""
        return {
            f"M{layer}": np.abs(draw("M", layer, weight.T.shape))
            for layer, weight in enumerate(weights[1:], start=2)
        }

    def feedback(self, layer: int, weight: Tensor, kept: Mapping[str, Tensor]) -> Tensor:
        """Return M_l * sign(W_l)^T."""
        return kept[f"M{layer}"] * weight.sign().transpose(-1, -2)

    def conserved(
        self, layer: int, incoming: Tensor, out_weight: Tensor, kept: Mapping[str, Tensor]
    ) -> Tensor:
        """Return 1/2 ||w_in||^2 - sum_r M_r |w_out,r|."""
        return 0.5 * incoming - inner_products(out_weight.abs(), kept[f"M{layer + 1}"])

"""Adaptive feedback alignment: the feedback is the transposed start."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from flowfa.problems.rules.base import FeedbackDraw, Rule, inner_products, rule


@rule("adafa")
class AdaptiveFeedbackAlignment(Rule):
    """B = W(0)^T, fixed. Conserves 1/2 ||w_in||^2 - <w_out, b> (C-1)."""

    keeps = "B"
    accepts_feedback = False
    conserved_formula = "1/2 ||w_in||^2 - <w_out, b>"

    def draw_feedback(
        self, weights: tuple[np.ndarray, ...], draw: FeedbackDraw
    ) -> dict[str, np.ndarray]:
        """Keep W_2(0)^T, ..., W_L(0)^T."""
        return {f"B{layer}": weight.T.copy() for layer, weight in enumerate(weights[1:], start=2)}

    def feedback(self, layer: int, weight: Tensor, kept: Mapping[str, Tensor]) -> Tensor:
        """Return B_l."""
        return kept[f"B{layer}"]

    def conserved(
        self, layer: int, incoming: Tensor, out_weight: Tensor, kept: Mapping[str, Tensor]
    ) -> Tensor:
        """Return 1/2 ||w_in||^2 - <w_out, b>."""
        return 0.5 * incoming - inner_products(out_weight, kept[f"B{layer + 1}"])

"""Direct feedback alignment."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from flowfa.problems.rules.base import FeedbackDraw, Rule, inner_products, rule


@rule("dfa")
class DirectFeedbackAlignment(Rule):
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
        outputs = weights[-1].shape[0]
        return {
            f"D{layer}": draw("D", layer, (weight.shape[0], outputs))
            for layer, weight in enumerate(weights[:-1], start=1)
        }

    def feedback(self, layer: int, weight: Tensor, kept: Mapping[str, Tensor]) -> Tensor:
        """Return D_{l-1}."""
        return kept[f"D{layer - 1}"]

    def conserved(
        self, layer: int, incoming: Tensor, out_weight: Tensor, kept: Mapping[str, Tensor]
    ) -> Tensor | None:
        """Return 1/2 ||w_in||^2 - <w_out, d> for the last hidden layer, None before it."""
        if f"D{layer + 1}" in kept:
            return None
        return 0.5 * incoming - inner_products(out_weight, kept[f"D{layer}"])

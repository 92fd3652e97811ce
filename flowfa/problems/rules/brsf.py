"""Sign-concordant feedback whose random magnitudes are drawn anew at every step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from flowfa.problems.rules.base import FeedbackDraw, Rule, drawn_for_each_layer, rule


@rule("brsf")
class BatchwiseRandomSignFeedback(Rule):
    """B = M * sign(W)^T, M >= 0 drawn anew at every discrete step (Liao et al. 2016).

    It conserves nothing (C-1), and it has no flow, because M is drawn at steps only.
    """

    keeps = "M"
    accepts_feedback = False
    redrawn = True
    conserved_formula = "none"

    def draw_feedback(
        self, weights: tuple[np.ndarray, ...], draw: FeedbackDraw
    ) -> dict[str, np.ndarray]:
        """Draw M_2, ..., M_L of one step, each of the shape of W_l^T."""
        drawn = drawn_for_each_layer("M", weights, draw)
        return {name: np.abs(matrix) for name, matrix in drawn.items()}

    def feedback(self, layer: int, weight: Tensor, kept: Mapping[str, Tensor]) -> Tensor:
        """Return M_l * sign(W_l)^T."""
        return kept[f"M{layer}"] * weight.sign().transpose(-1, -2)

    def conserved(
        self, layer: int, incoming: Tensor, out_weight: Tensor, kept: Mapping[str, Tensor]
    ) -> None:
        """Return None: there is no law."""

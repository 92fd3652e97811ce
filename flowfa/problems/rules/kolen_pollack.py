"""Kolen and Pollack's rule without decay: the feedback learns along with the weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from flowfa.problems.rules.base import FeedbackDraw, drawn_for_each_layer, rule
from flowfa.problems.rules.form import FeedbackForm
from flowfa.problems.rules.in_form import RuleInForm


@rule("kolen-pollack")
class KolenPollack(RuleInForm):
    """dB/dt = dW^T/dt from a random B(0), so that B(t) = W(t)^T + B(0) - W(0)^T (C-12).

    The difference of feedback and transposed weight never changes: it is what the rule keeps under
    the name B_l, and what a file gives under that name. Under weight decay of both it decays as W_l
    does (C-13). Conserves
    1/2 ||w_in||^2 - 1/2 ||w_out||^2 - <w_out, b(0) - w_out(0)>.
    """

    keeps = "B"
    learned = True
    conserved_formula = "1/2 ||w_in||^2 - 1/2 ||w_out||^2 - <w_out, b(0) - w_out(0)>"

    def draw_feedback(
        self, weights: tuple[np.ndarray, ...], draw: FeedbackDraw
    ) -> dict[str, np.ndarray]:
        """Draw B_2(0), ..., B_L(0), and keep B_l(0) - W_l(0)^T."""
        return {
            name: matrix - weight.T
            for (name, matrix), weight in zip(
                drawn_for_each_layer("B", weights, draw).items(), weights[1:], strict=True
            )
        }

    def form(self, layer: int, shape: tuple[int, int], kept: Mapping[str, Tensor]) -> FeedbackForm:
        """Return a = 1 and the difference that does not change."""
        return FeedbackForm(weight_share=1.0, fixed=kept[f"B{layer}"])

"""Sign feedback alignment (uniform sign-concordant feedback)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
from torch import Tensor

from flowfa.errors import InputError
from flowfa.problems.rules.base import FeedbackDraw, rule
from flowfa.problems.rules.form import FeedbackForm
from flowfa.problems.rules.in_form import RuleInForm


@rule("signfa")
class SignFeedbackAlignment(RuleInForm):
    """B(t) = s sign(W(t))^T. Conserves 1/2 ||w_in||^2 - s ||w_out||_1 (C-1, C-10).

    Parameters
    ----------
    scale : float or "xavier"
        s > 0, or the Xavier value sqrt(2 / (fan_in + fan_out)) of each layer.

    Raises
    ------
    InputError
        If `scale` is neither.
    """

    conserved_formula = "1/2 ||w_in||^2 - s ||w_out||_1"

    def __init__(self, scale: float | Literal["xavier"] = 1.0) -> None:
        if scale != "xavier" and not (isinstance(scale, int | float) and 0 < scale < math.inf):
            raise InputError(
                f"the scale of signfa is {scale!r}: expected a positive number or 'xavier'"
            )
        self.scale: float | Literal["xavier"] = scale

    def draw_feedback(
        self, weights: tuple[np.ndarray, ...], draw: FeedbackDraw
    ) -> dict[str, np.ndarray]:
        """Keep nothing."""
        return {}

    def form(self, layer: int, shape: tuple[int, int], kept: Mapping[str, Tensor]) -> FeedbackForm:
        """Return M_l = s; sign(0) = 0 is one of the selections that C-10 allows."""
        if self.scale == "xavier":
            return FeedbackForm(magnitudes=math.sqrt(2.0 / sum(shape)))
        return FeedbackForm(magnitudes=float(self.scale))

    def for_layer(self, fan_in: int, fan_out: int) -> SignFeedbackAlignment:
        """Return the rule with the Xavier value of a layer of these fans, if that is the scale."""
        if self.scale == "xavier":
            return SignFeedbackAlignment(math.sqrt(2.0 / (fan_in + fan_out)))
        return self

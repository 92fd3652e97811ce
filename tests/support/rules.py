"""Rules of one's own, in form and out of it, for the tests of whatever integrates rules."""

from __future__ import annotations

import numpy as np

from flowfa.problems.rules import (
    FeedbackAlignment,
    FeedbackForm,
    RuleInForm,
    drawn_for_each_layer,
)


class Mixed(RuleInForm):
    """b = a v + B + M * sign(v) with all three parts at once."""

    name = "mixed"
    keeps = "B"

    def __init__(self, share: float = 0.5, magnitude: float = 0.4) -> None:
        self.share = share
        self.magnitude = magnitude

    def draw_feedback(self, weights, draw):
        return drawn_for_each_layer("B", weights, draw)

    def form(self, layer, shape, kept):
        # Every other weight has magnitudes, so that some signs matter and others do not.
        magnitudes = self.magnitude * (np.indices(shape[::-1]).sum(0) % 2)
        fixed = kept[f"B{layer}"]
        return FeedbackForm(self.share, 0.5 * fixed, fixed.new_tensor(magnitudes).expand_as(fixed))


class Doubled(FeedbackAlignment):
    """Feedback 2 B by a `feedback` of its own, and the law that goes with it."""

    name = "doubled"

    def feedback(self, layer, weight, kept):
        return 2.0 * kept[f"B{layer}"]

    def conserved(self, layer, incoming, out_weight, kept):
        products = (out_weight.transpose(-1, -2) * kept[f"B{layer + 1}"]).sum(-1)
        return 0.5 * incoming - 2.0 * products


class DoubledForm(FeedbackAlignment):
    """Feedback 2 B by a form of its own."""

    name = "doubled-form"

    def form(self, layer, shape, kept):
        return FeedbackForm(fixed=2.0 * kept[f"B{layer}"])

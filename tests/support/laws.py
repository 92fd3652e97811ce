"""Rules and networks whose laws are counted."""

from __future__ import annotations

import numpy as np
import torch

import flowfa
from flowfa.problems.activations import Activation, Identity, LeakyReLU
from theory_checks.laws import Dynamics

LEAKY, LINEAR = LeakyReLU(0.1), Identity()


def random_sizes(source: np.random.Generator) -> tuple[int, ...]:
    """Depth 2 to 4, widths 1 to 8."""
    return tuple(int(size) for size in source.integers(1, 9, int(source.integers(3, 6))))


def dynamics(rule, *sizes, activation: Activation = LEAKY, **more) -> Dynamics:
    """The flow of a network."""
    return Dynamics(rule, sizes, activation, **more)


class HalfFA(flowfa.RuleInForm):
    """The rule of docs/guides/own-rule.md."""

    keeps = "B"

    def draw_feedback(self, weights, draw):
        return flowfa.drawn_for_each_layer("B", weights, draw)

    def form(self, layer, shape, kept):
        return flowfa.FeedbackForm(weight_share=0.5, fixed=0.5 * kept[f"B{layer}"])


class WithFeedback(flowfa.Rule):
    """A rule without a form, whose feedback is a function."""

    keeps = "B"

    def __init__(self, function):
        self.function = function

    def draw_feedback(self, weights, draw):
        return flowfa.drawn_for_each_layer("B", weights, draw)

    def feedback(self, layer, weight, kept):
        return self.function(weight, kept[f"B{layer}"])

    def conserved(self, layer, incoming, out_weight, kept):
        return None


def one_entry_drifts(weight, fixed):
    """Feedback alignment but for one entry, which follows the weights of other neurons."""
    bump = torch.zeros(weight.shape[-1], weight.shape[-2], dtype=torch.float64)
    bump[0, 0] = 1.0
    return fixed + bump * weight.sum((-1, -2), keepdim=True)

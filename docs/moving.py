"""A rule whose feedback moves, with an observable and a statement: ``--import moving.py``."""

import flowfa
import theory_checks
from theory_checks import Hypothesis, Item
from theory_checks.controls import broken
from theory_checks.margins.bounds import constant


@flowfa.rule("follower")
class Follower(flowfa.Rule):
    """Feedback that gets a share of the weights' updates: dB/dt = share * dW^T/dt."""

    keeps = "B"

    def __init__(self, share=0.5):
        self.share = share

    def draw_feedback(self, weights, draw):
        return flowfa.drawn_for_each_layer("B", weights, draw)

    def feedback(self, layer, weight, kept):
        return kept[f"B{layer}"]

    def feedback_velocity(self, kept, moment):
        return {name: self.share * moment.updates[f"W{name[1:]}"].mT for name in kept}

    def conserved(self, layer, incoming, out_weight, kept):
        return 0.5 * incoming - kept[f"B{layer + 1}"].square().sum(-1) / (2 * self.share)


@flowfa.observable("feedback-norm", unit="1")
def feedback_norm(measured):
    """Return the norm of B_2 at this moment."""
    return measured.parameters["B2"].norm(dim=(1, 2))


@theory_checks.register
class Following:
    """Holds where the share is 1; for a follower of half the updates it is wrong."""

    spec = "following"
    statement = "under follower ||B_2 - W_2^T||^2 is constant"
    reading = "margin = 2 x uncertainty - drift"

    def hypotheses(self, evidence):
        return (Hypothesis.of("rule", "the rule is follower", evidence.under("follower")),)

    def measure(self, evidence):
        def gap(networks):
            at = networks.parameters
            return (at["B2"] - at["W2"].mT).square().sum((1, 2))[:, None]

        return constant(evidence, gap, gap, (Item(),))

    def controls(self):
        return {"frozen feedback": broken("follower", "frozen feedback")}

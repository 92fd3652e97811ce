"""A rule, an observable and a statement of one's own, for ``flowfa simulate --import my.py``."""

import torch

import flowfa
import theory_checks
from theory_checks import Hypothesis, Item
from theory_checks.controls import broken
from theory_checks.margins.bounds import constant


@flowfa.rule("half-fa")
class HalfFA(flowfa.RuleInForm):
    """The mean of gradient descent and feedback alignment, b = (v + B) / 2."""

    keeps = "B"

    def draw_feedback(self, weights, draw):
        return flowfa.drawn_for_each_layer("B", weights, draw)

    def form(self, layer, shape, kept):
        return flowfa.FeedbackForm(weight_share=0.5, fixed=0.5 * kept[f"B{layer}"])


@flowfa.observable("active-share", unit="1")
def active_share(measured):
    """Return the share of pairs of hidden neuron and sample with z > 0."""
    signs = [z.flatten(1) > 0.0 for z in measured.forward.preactivations]
    return torch.cat(signs, 1).double().mean(1)


@theory_checks.register
class Balance:
    """Holds under gd (Du et al. 2018); under half-fa it is wrong, and the search finds that."""

    spec = "balance"
    statement = "under gd and half-fa ||W_1||_F^2 - ||W_2||_F^2 is constant"
    reading = "margin = 2 x uncertainty - drift"

    def hypotheses(self, evidence):
        of_rule = evidence.under("gd") | evidence.under("half-fa")
        biased = torch.full_like(of_rule, not any(evidence.flow.problem.has_bias))
        deep = torch.full_like(of_rule, evidence.flow.problem.layers == 2)
        return (
            Hypothesis.of("rule", "the rule is gd or half-fa", of_rule),
            Hypothesis.of("plain", "one hidden layer, no biases", biased & deep),
        )

    def measure(self, evidence):
        def first(networks):
            return networks.incoming(1).sum(1, keepdim=True)

        def law(networks):
            return first(networks) - networks.parameters["W2"].square().sum((1, 2))[:, None]

        return constant(evidence, law, first, (Item(),))

    def controls(self):
        return {"weight decay": broken("gd", "weight decay")}

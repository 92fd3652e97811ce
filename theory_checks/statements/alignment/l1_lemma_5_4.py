"""L-1, Lemma 5.4: feedback alignment keeps the signs of its readout, and a cosine with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from theory_checks.controls import broken
from theory_checks.controls.control import Control
from theory_checks.controls.fields import opposed
from theory_checks.controls.flows import small_flow
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.from_flow import evidence_of_flow
from theory_checks.evidence.networks import Networks
from theory_checks.margins.bounds import constant, never_negative
from theory_checks.margins.measurement import Hypothesis, Item, Measurement
from theory_checks.statements.activations import of_degree_one
from theory_checks.statements.alignment.cosines import frobenius, root, with_angle
from theory_checks.statements.alignment.products import (
    FIXED,
    above_kappa,
    feedback_into,
    half_squares,
    kappas,
    products,
    terms,
)
from theory_checks.statements.motion import equal_rates, no_decay
from theory_checks.statements.statement import register


@register
class ReadoutAlignment:
    """b_j w_j = 1/2 ||w_in||^2 + kappa_j, with all that follows for one output.

    Under signfa b_j w_j is s |w_j|, and the identity needs no condition on signs. With `drop`,
    the claims are read for more outputs as <w_out, b> for b_j w_j, ||b_j|| for |b_j|, and the
    Frobenius norm of B for ||b||; no theorem promises them then.
    """

    spec: ClassVar[str] = "L-1"
    statement: ClassVar[str] = (
        "one output, kappa_j >= 0: b_j w_j = 1/2 ||w_in||^2 + kappa_j, w_j keeps the sign of b_j, "
        "cos(w, b) >= min|b_j| / ||b||"
    )
    reading: ClassVar[str] = (
        "margin = 2 x uncertainty - drift of the identity; of the "
        "bounds b_j w_j - kappa_j and b_j w_j plus twice the error, and cosine minus its bound"
    )

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume rule, degree 1, one output; for fixed feedback kappa_j >= 0 and no b_j = 0."""
        layer = evidence.flow.layout.layers - 1
        sign = evidence.under("signfa")
        zero = (feedback_into(evidence.at_start(), layer).abs().amax(2) == 0.0).any(1)
        lowest = kappas(evidence, layer).amin(1)
        return (
            Hypothesis.of(
                "rule", "the rule is fa, adafa or signfa", evidence.under(*FIXED, "signfa")
            ),
            of_degree_one(evidence),
            no_decay(evidence),
            equal_rates(evidence),
            Hypothesis.of(
                "scalar-output",
                "there is one output (with more there is no cosine bound, only L-1c)",
                evidence.for_all(evidence.flow.layout.sizes[-1] == 1),
            ),
            Hypothesis.of("feedback-nonzero", "no b_j is zero (fa, adafa)", sign | ~zero),
            Hypothesis.measured(
                "kappa-nonnegative",
                "kappa_j = b_j w_j - 1/2 ||w_in||^2 >= 0 at time 0 for every neuron (fa, adafa)",
                torch.where(sign, torch.zeros_like(lowest), -lowest),
            ),
        )

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return the room of identity, lower bound, sign and cosine."""
        layer = evidence.flow.layout.layers - 1
        width, outputs = evidence.flow.layout.sizes[layer:]
        items = tuple(Item(layer, neuron) for neuron in range(width))
        fixed = ~evidence.under("signfa")[:, None]
        identity = constant(
            evidence,
            lambda networks: half_squares(networks, layer) - products(networks, layer),
            lambda networks: half_squares(networks, layer),
            items,
            note="the identity",
        )
        sign = never_negative(
            evidence,
            lambda networks: products(networks, layer),
            items,
            scale=lambda networks: terms(networks, layer),
            speaks_of=fixed.expand(-1, width),
            attained=True,
        )
        # One neuron has the cosine 1 with b, or -1, and its bound is 1: that is its sign.
        more = fixed if width > 1 or outputs > 1 else torch.zeros_like(fixed)
        cosine = never_negative(
            evidence,
            lambda networks: cosine_above_bound(networks, layer),
            (Item(layer + 1),),
            scale=lambda networks: torch.ones_like(networks.state[:, :1]),
            speaks_of=more,
        )
        cosine = with_angle(
            evidence, cosine, lambda networks: frobenius(networks)[:, -1:], "the cosine"
        )
        bound = above_kappa(evidence, layer)
        return (*identity, bound, replace(sign, note="the sign of b_j"), cosine)

    def controls(self) -> Mapping[str, Control]:
        """Return flows that break the lemma."""
        return {
            "tanh activation": broken("fa", "tanh"),
            "feedback that drifts": broken("fa", "drifting feedback"),
            "weight decay": broken("adafa", "weight decay"),
            "weight decay under signfa": broken("signfa", "weight decay", leak=1.0),
            "a bias left out": broken("fa", "frozen bias", bias="hidden", leak=1.0),
            "feedback of the other sign": opposed_feedback,
            "weights that leave the feedback": broken("fa", "against feedback", widths=(4,)),
        }


def cosine_above_bound(networks: Networks, layer: int) -> Tensor:
    """Return cos(W_{l+1}, B_{l+1}^T) - min_j ||b_j|| / ||B_{l+1}||_F, (row, 1)."""
    feedback = feedback_into(networks, layer)
    size = feedback.square().sum((1, 2)).sqrt()
    weight = root(networks.parameters[f"W{layer + 1}"].square().sum((1, 2)))
    least = feedback.square().sum(2).amin(1).sqrt()
    cosine = products(networks, layer).sum(1) / (torch.where(weight == 0.0, 1.0, weight) * size)
    return (cosine - least / size)[:, None]


def opposed_feedback() -> Evidence:
    """Return a flow whose start respects kappa_j >= 0 for B, but that is moved by -B."""
    flow = small_flow("fa")
    return evidence_of_flow(flow, t_end=2.0, motion=opposed(flow.field), rtol=1e-5, saves=9)

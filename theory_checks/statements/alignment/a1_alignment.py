"""A-1: alignment (Definition 4.1), where the theory promises it, and measured everywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from theory_checks.controls import broken
from theory_checks.controls.control import Control
from theory_checks.controls.signs import pretended
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.networks import Networks
from theory_checks.margins.bounds import never_negative
from theory_checks.margins.measurement import Estimate, Hypothesis, Measurement
from theory_checks.statements.alignment.cosines import (
    cosines,
    layers_with_feedback,
    norms,
    stands_in,
    with_angle,
)
from theory_checks.statements.alignment.lasting import lasting
from theory_checks.statements.conservation.laws import neuron_law
from theory_checks.statements.statement import register

FIXED = ("fa", "adafa")
"""Rules of L-1."""
PROMISED = ("gd", "signfa", *FIXED)


@register
class Alignment:
    """cos(W_l(t), B_l^T) >= c from T_c = 0 on, with the c of a theorem.

    gd: c = 1. signfa: 1/sqrt(n_l n_{l-1}) (P-1). fa, adafa: min |b_j| / ||b|| (L-1).
    """

    spec: ClassVar[str] = "A-1"
    statement: ClassVar[str] = (
        "each layer's weights are aligned with the feedback: cos(W, B^T) >= c at all times, "
        "c > 0 as promised by the rule (gd), P-1 (signfa) or L-1 (fa, adafa)"
    )
    reading: ClassVar[str] = "margin: cosine minus c, plus twice the error (c may be attained)"

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume the hypotheses of one of the promises."""
        fixed = torch.tensor([rule in FIXED for rule in evidence.rules])
        other = torch.tensor([float(rule not in PROMISED) for rule in evidence.rules])
        layers, outputs = evidence.flow.layout.layers, evidence.flow.layout.sizes[-1]
        degree = evidence.flow.field.activation.degree
        return (
            Hypothesis("rule", f"the rule is one of {', '.join(PROMISED)}", other),
            Hypothesis(
                "one-hidden-layer",
                "the rule is gd or signfa, or there is one hidden layer",
                torch.where(fixed, float(layers - 2), torch.zeros(len(evidence))),
            ),
            Hypothesis(
                "scalar-output",
                "the rule is gd or signfa, or the output is scalar",
                torch.where(fixed, float(outputs - 1), torch.zeros(len(evidence))),
            ),
            Hypothesis(
                "activation-of-degree-one",
                "the rule is gd or signfa, or the activation is homogeneous of degree 1 (L-1)",
                torch.where(fixed, float(degree != 1.0), torch.zeros(len(evidence))),
            ),
            Hypothesis(
                "feedback",
                "the rule is gd or signfa, or every b_j is other than 0",
                (promised(at_start(evidence))[:, -1] <= 0.0).double(),
            ),
            Hypothesis(
                "kappa",
                "the rule is gd or signfa, or kappa_j >= 0 for every neuron j (L-1)",
                torch.where(fixed, -kappas(evidence).amin(1), 0.0),
            ),
        )

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return the room of each layer's cosine above what is promised."""
        found = never_negative(
            evidence,
            lambda networks: cosines(networks) - promised(networks),
            layers_with_feedback(evidence),
            scale=promised,
            attained=True,
            # sign(0) = 0: with weights of exactly zero the feedback of signfa, and the angle, jump.
            jumps=True,
        )
        return (with_angle(evidence, found, norms),)

    def estimates(self, evidence: Evidence) -> tuple[Estimate, ...]:
        """Return how aligned each layer is, by whatever rule."""
        return lasting(
            evidence, cosines, norms, layers_with_feedback(evidence), stands_in(evidence)
        )

    def controls(self) -> Mapping[str, Control]:
        """Return flows that are not aligned as promised."""
        return {
            "signs of one neuron for all": pretended("signs of one neuron for all"),
            "weights that leave the feedback": broken("fa", "against feedback", widths=(4,)),
        }


def promised(networks: Networks) -> Tensor:
    """Return c of each layer with feedback, (row, layer); NaN where nothing is promised."""
    layers, columns = networks.field.layout.layers, []
    for layer in range(2, layers + 1):
        column = networks.state.new_full((len(networks.state),), torch.nan)
        for group in networks.field.groups:
            rows = slice(group.start, group.stop)
            if group.rule.name == "gd":
                column[rows] = 1.0
            elif group.rule.name == "signfa":
                column[rows] = 1.0 / math.sqrt(networks.width(layer) * networks.width(layer - 1))
            elif group.rule.name in FIXED and layer == layers:
                sizes = group.kept[f"B{layer}"].abs().flatten(1)
                column[rows] = sizes.amin(1) / sizes.norm(dim=1)
        columns.append(column)
    return torch.stack(columns, 1)


def kappas(evidence: Evidence) -> Tensor:
    """Return kappa_j of each neuron of the last hidden layer, (trajectory, n_{L-1}).

    What C-1 conserves, with its sign turned: b_j w_j(0) - 1/2 ||w_in(0)||^2 - 1/2 c_j(0)^2 under
    fa and adafa, s |w_j(0)| - ... under signfa.
    """
    return -neuron_law(at_start(evidence))[:, -evidence.flow.layout.sizes[-2] :]


def at_start(evidence: Evidence) -> Networks:
    """Return the networks at time 0, one a trajectory."""
    return Networks(
        evidence.field,
        evidence.initial[evidence.rows],
        evidence.flow.span.outside_norm2[evidence.rows],
        torch.zeros(len(evidence)),
    )

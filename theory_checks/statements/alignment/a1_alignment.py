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
from theory_checks.statements.alignment.lasting_alignment import lasting
from theory_checks.statements.alignment.products import FIXED, kappas
from theory_checks.statements.motion import equal_rates, no_decay, unless
from theory_checks.statements.statement import register

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
        fixed, layout = evidence.under(*FIXED), evidence.flow.layout
        lowest = kappas(evidence, layout.layers - 1).amin(1)
        degree = evidence.flow.field.activation.degree
        return (
            Hypothesis.of(
                "rule", f"the rule is one of {', '.join(PROMISED)}", evidence.under(*PROMISED)
            ),
            Hypothesis.of(
                "one-hidden-layer",
                "the rule is gd or signfa, or there is one hidden layer",
                ~fixed | (layout.layers == 2),
            ),
            Hypothesis.of(
                "scalar-output",
                "the rule is gd or signfa, or the output is scalar",
                ~fixed | (layout.sizes[-1] == 1),
            ),
            Hypothesis.of(
                "activation-of-degree-one",
                "the rule is gd or signfa, or the activation is homogeneous of degree 1 (L-1)",
                ~fixed | (degree == 1.0),
            ),
            Hypothesis.of(
                "feedback",
                "the rule is gd or signfa, or every b_j is other than 0",
                # Where nothing is promised the rule is what fails.
                ~(promised(evidence.at_start())[:, -1] <= 0.0),
            ),
            unless(~fixed, no_decay(evidence), "the rule is gd or signfa"),
            unless(~fixed, equal_rates(evidence), "the rule is gd or signfa"),
            Hypothesis.measured(
                "kappa",
                "the rule is gd or signfa, or kappa_j >= 0 for every neuron j (L-1)",
                torch.where(fixed, -lowest, torch.zeros_like(lowest)),
            ),
        )

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return the room of each layer's cosine above what is promised."""
        measurement = never_negative(
            evidence,
            lambda networks: cosines(networks) - promised(networks),
            layers_with_feedback(evidence),
            scale=promised,
            attained=True,
            # sign(0) = 0: with weights of exactly zero the feedback of signfa, and the angle, jump.
            jumps=True,
        )
        return (with_angle(evidence, measurement, norms),)

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

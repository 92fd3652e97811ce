"""C-13: what weight decay leaves of C-1 as a law, where the layers decay in the right proportion.

With s_l = eta_l lambda_l, the speed at which W_l decays, and g the rule's term of C-12, C is
multiplied by exp(-2 s_l t) if g decays twice as fast as the in-weights: where g is quadratic (gd)
for s_{l+1} = s_l, where it is linear (fa, adafa, signfa, frsf) for s_{l+1} = 2 s_l.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from flowfa.problems.rules import Rule, form_of
from theory_checks.controls import broken
from theory_checks.controls.control import Control
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.networks import Networks
from theory_checks.margins.bounds import constant
from theory_checks.margins.measurement import Hypothesis, Measurement
from theory_checks.statements.activations import homogeneous
from theory_checks.statements.conservation.laws import in_norms, neuron_law, neurons, with_law
from theory_checks.statements.motion import decay_speeds, inner_speeds
from theory_checks.statements.statement import register

PROPORTION = 1e-12
"""Relative difference of speeds that counts as none."""


@register
class DecayingLaw:
    """C(t) = exp(-2 s_l t) C(0), where the out-weights' term decays as the in-weights' does."""

    spec: ClassVar[str] = "C-13"
    statement: ClassVar[str] = (
        "under weight decay C of each neuron decays as exp(-2 lambda t), where in- and out-weights "
        "decay alike (gd) or the out-weights twice as fast (fa, signfa)"
    )
    reading: ClassVar[str] = (
        "margin = 2 x uncertainty - difference of C and exp(-2 lambda t) C(0), lambda times the "
        "layer's rate"
    )

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume decay, in proportions that leave a law to some hidden layer."""
        return (
            homogeneous(evidence),
            decays(evidence),
            Hypothesis.of(
                "proportion",
                "in some hidden layer in- and out-weights decay alike (gd), or out-weights twice "
                "as fast (fa, signfa); else C-13b speaks",
                in_proportion(evidence).any(1),
            ),
        )

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return how much room each neuron's difference leaves."""
        speeds = inner_speeds(evidence)

        def difference(networks: Networks) -> Tensor:
            assert networks.start is not None
            at_start = Networks(
                networks.field, networks.start, networks.outside_norm2, networks.time
            )
            faded = torch.exp(-2.0 * speeds * networks.time[:, None])
            return neuron_law(networks) - faded * neuron_law(at_start)

        return constant(
            evidence.without_record(),
            difference,
            in_norms,
            neurons(evidence),
            speaks_of=in_proportion(evidence),
        )

    def controls(self) -> Mapping[str, Control]:
        """Return flows that decay otherwise than they claim."""
        doubled = (0.1, 0.2, 0.4)
        return {
            "gd that does not decay": broken("gd", "no weight decay", weight_decay=(0.2,)),
            "fa that does not decay": broken("fa", "no weight decay", weight_decay=doubled),
            "signfa that decays more": broken("signfa", "weight decay", weight_decay=doubled),
            "feedback that drifts": broken("fa", "drifting feedback", weight_decay=doubled),
        }


def decays(evidence: Evidence) -> Hypothesis:
    """Return the assumption that there is weight decay; else C-1 and C-8 speak."""
    return Hypothesis.of(
        "weight-decay",
        "there is weight decay (without it C-1 speaks)",
        evidence.for_all(bool(evidence.flow.field.weight_decay)),
    )


def in_proportion(evidence: Evidence) -> Tensor:
    """Return which neurons have a law that decays, (trajectory, hidden neuron) bool."""
    sizes, speeds = evidence.flow.layout.sizes, decay_speeds(evidence)
    rows = []
    for group in evidence.field.groups:
        row = [
            _fits(group.rule, layer, sizes, group.kept, speeds[layer - 1], speeds[layer])
            for layer in range(1, len(sizes) - 1)
            for _ in range(sizes[layer])
        ]
        rows += [row] * (group.stop - group.start)
    return torch.tensor(rows) & with_law(evidence)


def _fits(
    rule: Rule,
    layer: int,
    sizes: tuple[int, ...],
    kept: Mapping[str, Tensor],
    inner: float,
    outer: float,
) -> bool:
    """Return whether g of the rule decays with exp(-2 inner t) when out-weights do at `outer`."""
    if inner == outer == 0.0:
        return True
    form = form_of(rule, layer + 1, (sizes[layer + 1], sizes[layer]), kept)
    if form is None:
        return False
    linear = form.fixed is not None or form.magnitudes is not None
    if form.weight_share and linear:
        return False
    factor = 2.0 if linear else 1.0
    return abs(outer - factor * inner) <= PROPORTION * max(outer, inner)

"""L-1c: what remains of Lemma 5.4 for several outputs and inner layers; no cosine bound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from theory_checks.controls.control import Control
from theory_checks.controls.fields import WeightDecay
from theory_checks.controls.flows import small_flow
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.from_flow import evidence_of_flow
from theory_checks.margins.measurement import Hypothesis, Measurement
from theory_checks.statements.activations import of_degree_one
from theory_checks.statements.alignment.products import FIXED, above_kappa
from theory_checks.statements.motion import equal_rates, no_decay
from theory_checks.statements.statement import register


@register
class NeverObtuse:
    """What remains of L-1 for any number of outputs and any hidden layer: no cosine bound."""

    spec: ClassVar[str] = "L-1c"
    statement: ClassVar[str] = (
        "<w_out, b> >= kappa_j in every hidden layer, any number of outputs (no cosine bound)"
    )
    reading: ClassVar[str] = "margin: <w_out, b> - kappa_j, plus twice the error (it is attained)"

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume fixed feedback, and an activation of degree 1."""
        return (
            Hypothesis.of("rule", "the rule is fa or adafa", evidence.under(*FIXED)),
            of_degree_one(evidence),
            no_decay(evidence),
            equal_rates(evidence),
        )

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return <w_out, b> - kappa_j, layer by layer."""
        hidden = range(1, evidence.flow.layout.layers)
        return tuple(above_kappa(evidence, layer) for layer in hidden)

    def controls(self) -> Mapping[str, Control]:
        """Return flows that break the bound."""
        return {"strong weight decay": decaying}


def decaying() -> Evidence:
    """Return a flow whose weights decay faster than they learn."""
    flow = small_flow("fa", leak=1.0)
    return evidence_of_flow(
        flow, t_end=2.0, motion=WeightDecay(flow.field, 2.0), rtol=1e-5, saves=9
    )

"""C-8: with a rate for each layer, the two terms of C-1 are each in units of their layer's rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from theory_checks.controls import broken
from theory_checks.controls.control import Control
from theory_checks.evidence.evidence import Evidence
from theory_checks.margins.measurement import Hypothesis, Measurement
from theory_checks.statements.activations import homogeneous
from theory_checks.statements.conservation.c1_per_neuron import DRIFT, of_neurons
from theory_checks.statements.motion import no_decay
from theory_checks.statements.statement import register


@register
class RateConservation:
    """||w_in||^2 / (2 eta_l) - <w_out, b> / eta_{l+1} is constant, by the row of each rule."""

    spec: ClassVar[str] = "C-8"
    statement: ClassVar[str] = (
        "with rates of layers each neuron conserves ||w_in||^2 / (2 eta_l) minus "
        "<w_out, b> / eta_{l+1}"
    )
    reading: ClassVar[str] = DRIFT

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume rates that differ; where they do not C-1 speaks."""
        differ = len(set(evidence.flow.field.rates)) > 1
        return (
            homogeneous(evidence),
            Hypothesis.of(
                "rates-differ",
                "layers have different rates (of one rate C-1 speaks)",
                evidence.for_all(differ),
            ),
            no_decay(evidence),
        )

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return how much room each neuron's drift leaves."""
        return of_neurons(evidence)

    def controls(self) -> Mapping[str, Control]:
        """Return flows that break the law."""
        rates = (0.5, 1.0, 2.0)
        return {
            "one rate for all": broken("fa", "one rate for all", layer_rates=rates),
            "one rate for all under gd": broken("gd", "one rate for all", layer_rates=rates),
            "one rate for all under dfa": broken("dfa", "one rate for all", layer_rates=rates),
            "weight decay": broken("signfa", "weight decay", leak=1.0, layer_rates=rates),
        }

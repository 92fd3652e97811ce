"""C-1: each hidden neuron conserves the alignment of its in- and out-weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from theory_checks.controls import broken
from theory_checks.controls.control import Control
from theory_checks.evidence.evidence import Evidence
from theory_checks.margins.bounds import constant
from theory_checks.margins.measurement import Hypothesis, Measurement
from theory_checks.statements.activations import homogeneous
from theory_checks.statements.conservation.laws import in_norms, neuron_law, neurons, with_law
from theory_checks.statements.conservation.virtual_readouts import (
    earlier_in_norms,
    readout_law,
    with_readouts,
)
from theory_checks.statements.motion import equal_rates, no_decay
from theory_checks.statements.statement import register

DRIFT = "margin = 2 x uncertainty - drift"


@register
class NeuronConservation:
    """Theorem 5.2: C_j(t) = C_j(0), by the row of each rule; dfa's earlier layers with readouts."""

    spec: ClassVar[str] = "C-1"
    statement: ClassVar[str] = (
        "each neuron conserves 1/2 ||w_in||^2 minus its alignment with the feedback"
    )
    reading: ClassVar[str] = DRIFT

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume a homogeneous activation (C-6): any data, any differentiable loss, any kinks."""
        return (homogeneous(evidence), no_decay(evidence), equal_rates(evidence))

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return how much room each neuron's drift leaves."""
        return of_neurons(evidence)

    def controls(self) -> Mapping[str, Control]:
        """Return flows that break the law."""
        return {
            "tanh activation": broken("gd", "tanh"),
            "batch norm": broken("gd", "batch norm", leak=1.0),
            "weight decay": broken("fa", "weight decay"),
            "weight decay under dfa": broken("dfa", "weight decay"),
            "feedback that drifts": broken("fa", "drifting feedback"),
            "magnitudes that drift": broken("frsf", "drifting feedback"),
            "weight decay under signfa": broken("signfa", "weight decay", leak=1.0),
        }


def of_neurons(evidence: Evidence) -> tuple[Measurement, ...]:
    """Return how much room the drift of each neuron's law leaves, in the units of C-8."""
    items = neurons(evidence)
    measurements = constant(evidence, neuron_law, in_norms, items, speaks_of=with_law(evidence))
    direct = evidence.under("dfa")
    if evidence.flow.layout.layers < 3 or not direct.any():
        return measurements
    last = evidence.flow.layout.layers - 1
    earlier = tuple(item for item in items if item.layer != last)
    return measurements + constant(
        with_readouts(evidence),
        readout_law,
        earlier_in_norms,
        earlier,
        speaks_of=direct[:, None].expand(-1, len(earlier)),
        note="with a virtual readout",
    )

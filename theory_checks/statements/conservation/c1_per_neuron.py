"""C-1: each hidden neuron conserves the alignment of its in- and out-weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from theory_checks.controls import broken
from theory_checks.controls.control import Control
from theory_checks.evidence.evidence import Evidence
from theory_checks.margins.bounds import constant
from theory_checks.margins.measurement import Hypothesis, Measurement
from theory_checks.statements.activations import homogeneous
from theory_checks.statements.conservation.laws import in_norms, neuron_law, neurons, with_law
from theory_checks.statements.conservation.virtual_readouts import (
    readout_law,
    spoken_of,
    with_readouts,
)
from theory_checks.statements.statement import register

DRIFT = "margin = 2 x uncertainty - drift"


@register
class NeuronConservation:
    """Theorem 5.2: C_j(t) = C_j(0), by the row of each rule.

    Where the weights alone have no law, it is held to with what is integrated along: the virtual
    readouts of dfa's earlier layers and of drtp, and what moving feedback adds.
    """

    spec: ClassVar[str] = "C-1"
    statement: ClassVar[str] = (
        "each neuron conserves 1/2 ||w_in||^2 minus its alignment with the feedback"
    )
    reading: ClassVar[str] = DRIFT

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume a homogeneous activation (C-6): any data, any differentiable loss, any kinks."""
        return (homogeneous(evidence),)

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return how much room each neuron's drift leaves."""
        items = neurons(evidence)
        measurements = constant(evidence, neuron_law, in_norms, items, speaks_of=with_law(evidence))
        beyond = spoken_of(evidence)
        if not beyond.any():
            return measurements
        moving = torch.tensor([bool(group.moving) for group in evidence.field.groups]).any()
        return measurements + constant(
            with_readouts(evidence),
            readout_law,
            in_norms,
            items,
            speaks_of=beyond,
            note="with what moves the feedback" if moving else "with a virtual readout",
        )

    def controls(self) -> Mapping[str, Control]:
        """Return flows that break the law."""
        return {
            "tanh activation": broken("gd", "tanh"),
            "batch norm": broken("gd", "batch norm", leak=1.0),
            "weight decay": broken("fa", "weight decay"),
            "weight decay under dfa": broken("dfa", "weight decay"),
            "weight decay under drtp": broken("drtp", "weight decay"),
            "weight decay under a weight mirror": broken("weight-mirror", "weight decay"),
            "feedback that stands still": broken("kolen-pollack-decay", "frozen feedback"),
            "feedback that drifts": broken("fa", "drifting feedback"),
            "magnitudes that drift": broken("frsf", "drifting feedback"),
            "weight decay under signfa": broken("signfa", "weight decay", leak=1.0),
        }

"""C-2: the bias of a neuron belongs to its in-weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from theory_checks.controls import broken
from theory_checks.controls.control import Control
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.networks import Networks
from theory_checks.margins.bounds import constant
from theory_checks.margins.measurement import Hypothesis, Measurement
from theory_checks.statements.activations import homogeneous
from theory_checks.statements.conservation.c1_per_neuron import DRIFT
from theory_checks.statements.conservation.laws import in_norms, neuron_law, neurons, with_law
from theory_checks.statements.motion import equal_rates, no_decay
from theory_checks.statements.statement import register


@register
class BiasConservation:
    """C-1 with c_j^2 beside ||w_in||^2, resolved to better than what the bias itself moved."""

    spec: ClassVar[str] = "C-2"
    statement: ClassVar[str] = "with biases, c_j^2 of the same neuron joins ||w_in||^2 in C-1"
    reading: ClassVar[str] = DRIFT

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume a bias in some hidden layer, and a homogeneous activation."""
        biased = evidence.for_all(any(evidence.flow.problem.has_bias[:-1]))
        return (
            homogeneous(evidence),
            no_decay(evidence),
            equal_rates(evidence),
            Hypothesis.of("bias", "a hidden layer has a bias", biased),
        )

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return how much room each neuron's drift leaves, in layers that have a bias."""
        items = neurons(evidence)
        has_bias = evidence.flow.problem.has_bias
        biased = torch.tensor([has_bias[(item.layer or 1) - 1] for item in items])
        return constant(
            evidence,
            neuron_law,
            bias_squares,
            items,
            size=in_norms,
            speaks_of=with_law(evidence) & biased,
        )

    def controls(self) -> Mapping[str, Control]:
        """Return flows that break the law."""
        return {
            "a bias left out": broken("fa", "frozen bias", bias="hidden", leak=1.0),
            "a bias left out of gd": broken("gd", "frozen bias", bias="hidden"),
            "weight decay": broken("signfa", "weight decay", bias="hidden", leak=1.0),
        }


def bias_squares(networks: Networks) -> Tensor:
    """Return 1/2 c_j^2 of each hidden neuron, 0 without a bias, (row, hidden neuron)."""
    columns = []
    for layer in range(1, networks.field.layout.layers):
        bias = networks.parameters.get(f"c{layer}")
        if bias is None:
            columns.append(networks.state.new_zeros(len(networks.state), networks.width(layer)))
        else:
            columns.append(0.5 * bias.square())
    return torch.cat(columns, 1)

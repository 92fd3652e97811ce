"""C-3: the sum of C-1 over the neurons of a layer."""

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
from theory_checks.margins.measurement import Hypothesis, Item, Measurement
from theory_checks.statements.activations import homogeneous
from theory_checks.statements.conservation.c1_per_neuron import DRIFT
from theory_checks.statements.conservation.laws import in_norms, neuron_law, with_law
from theory_checks.statements.motion import equal_rates, no_decay
from theory_checks.statements.statement import register


@register
class LayerConservation:
    """1/2 ||W_l||_F^2 minus the alignment of W_{l+1} with its feedback is constant."""

    spec: ClassVar[str] = "C-3"
    statement: ClassVar[str] = "each layer conserves 1/2 ||W_l||_F^2 minus <W_{l+1}, B_{l+1}^T>_F"
    reading: ClassVar[str] = DRIFT

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume a homogeneous activation, as C-1 does."""
        return (homogeneous(evidence), no_decay(evidence), equal_rates(evidence))

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return how much room the drift of each layer leaves."""
        layers = range(1, evidence.flow.layout.layers)
        claimed = with_law(evidence).split(list(evidence.flow.layout.sizes[1:-1]), dim=1)
        return constant(
            evidence,
            lambda networks: by_layer(networks, neuron_law(networks)),
            lambda networks: by_layer(networks, in_norms(networks)),
            tuple(Item(layer) for layer in layers),
            speaks_of=torch.stack([part.all(1) for part in claimed], 1),
        )

    def controls(self) -> Mapping[str, Control]:
        """Return flows that break the law."""
        return {
            "tanh activation": broken("gd", "tanh"),
            "weight decay": broken("adafa", "weight decay"),
            "feedback that drifts": broken("dfa", "drifting feedback"),
        }


def by_layer(networks: Networks, values: Tensor) -> Tensor:
    """Return the sum over the neurons of each hidden layer, (row, layer)."""
    sizes = list(networks.field.layout.sizes[1:-1])
    return torch.stack([part.sum(1) for part in values.split(sizes, dim=1)], 1)

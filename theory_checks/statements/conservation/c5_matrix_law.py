"""C-5: with the identity as activation a whole matrix is conserved (Lillicrap et al. 2016).

Its diagonal is twice C-1. A matrix of n^2 entries at every time is too much to look at; it is
constant if and only if its products with n independent vectors are, and a drift that a few
random vectors do not see has probability zero. The vectors are fixed, so that results repeat.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from flowfa.flow.field import RuleGroup
from flowfa.problems.activations import Activation
from flowfa.seeds import generator
from theory_checks.controls import broken
from theory_checks.controls.control import Control
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.networks import Networks
from theory_checks.margins.bounds import constant
from theory_checks.margins.measurement import Hypothesis, Item, Measurement
from theory_checks.statements.conservation.c1_per_neuron import DRIFT
from theory_checks.statements.motion import equal_rates, no_decay
from theory_checks.statements.statement import register

VECTORS = 3
RULES = ("gd", "fa", "adafa", "dfa")


@register
class MatrixConservation:
    """W_l W_l^T - B_{l+1} W_{l+1} - (B_{l+1} W_{l+1})^T is constant, biases joined to W_l."""

    spec: ClassVar[str] = "C-5"
    statement: ClassVar[str] = (
        "with the identity activation W_l W_l^T - B W_{l+1} - (B W_{l+1})^T is constant"
    )
    reading: ClassVar[str] = DRIFT + f"; the matrix is seen through {VECTORS} fixed vectors"

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume the identity as activation, and feedback that is fixed or W^T."""
        distance = _distance_to_linear(evidence.flow.field.activation)
        bend = torch.full((len(evidence),), distance, dtype=torch.float64)
        return (
            Hypothesis.measured(
                "linear-activation", "the activation is the identity (leak = 1)", bend
            ),
            Hypothesis.of("rule", f"the rule is one of {', '.join(RULES)}", evidence.under(*RULES)),
            no_decay(evidence),
            equal_rates(evidence),
        )

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return how much room the drift of the matrix of each layer leaves."""
        sizes = evidence.flow.layout.sizes
        last = len(sizes) - 2
        items = tuple(
            Item(layer, neuron)
            for layer in range(1, last + 1)
            for _ in range(VECTORS)
            for neuron in range(sizes[layer])
        )
        direct = evidence.under("dfa")
        earlier = torch.tensor([item.layer != last for item in items])
        return constant(
            evidence,
            matrix_law,
            in_products,
            items,
            speaks_of=~(direct[:, None] & earlier),
        )

    def controls(self) -> Mapping[str, Control]:
        """Return flows that break the law."""
        return {
            "a leak of 0.3": broken("fa", "leaky activation", leak=1.0),
            "weight decay": broken("gd", "weight decay", leak=1.0),
            "feedback that drifts": broken("dfa", "drifting feedback", leak=1.0),
        }


def _distance_to_linear(activation: Activation) -> float:
    """Return 1 - leak; 1 for an activation that has none."""
    return 1.0 - (activation.leak or 0.0)


def matrix_law(networks: Networks) -> Tensor:
    """Return the products of the matrix of each hidden layer with the vectors, (row, item)."""
    columns = []
    for layer in range(1, networks.field.layout.layers):
        vectors = _vectors(networks, layer)
        gram = _gram(networks, layer, vectors)
        parts = [
            gram[group.start : group.stop] - _balance(networks, group, layer, vectors)
            for group in networks.field.groups
        ]
        columns.append(torch.cat(parts).transpose(1, 2).flatten(1))
    return torch.cat(columns, 1)


def in_products(networks: Networks) -> Tensor:
    """Return W_l W_l^T u, the term that the others balance, (row, item)."""
    layers = range(1, networks.field.layout.layers)
    parts = [_gram(networks, layer, _vectors(networks, layer)) for layer in layers]
    return torch.cat([part.transpose(1, 2).flatten(1) for part in parts], 1)


def _gram(networks: Networks, layer: int, vectors: Tensor) -> Tensor:
    """Return (W_l W_l^T + c_l c_l^T) u, (row, n_l, vector)."""
    weight = networks.parameters[f"W{layer}"]
    product = weight @ (weight.transpose(1, 2) @ vectors)
    bias = networks.parameters.get(f"c{layer}")
    if bias is None:
        return product
    return product + bias[:, :, None] * (bias @ vectors)[:, None]


def _balance(networks: Networks, group: RuleGroup, layer: int, vectors: Tensor) -> Tensor:
    """Return (B W + (B W)^T) u, or W^T W u under gd, (row, n_l, vector)."""
    weight = networks.parameters[f"W{layer + 1}"][group.start : group.stop]
    if group.rule.name == "gd":
        return weight.transpose(1, 2) @ (weight @ vectors)
    name = f"D{layer}" if group.rule.name == "dfa" else f"B{layer + 1}"
    feedback = group.kept.get(name)
    if feedback is None or feedback.shape[2] != weight.shape[1]:
        # dfa's earlier layers: there is no law to write down.
        return torch.full_like(weight.transpose(1, 2) @ (weight @ vectors), torch.nan)
    # A product of its own for each row keeps the sum's order whatever the rows beside it.
    return feedback @ (weight @ vectors) + weight.transpose(1, 2) @ (
        feedback.transpose(1, 2) @ vectors
    )


def _vectors(networks: Networks, layer: int) -> Tensor:
    """Return the vectors that the matrix of a layer is seen through, (n_l, vector)."""
    shape = (networks.width(layer), VECTORS)
    return torch.tensor(generator(5, "C-5", layer).standard_normal(shape))

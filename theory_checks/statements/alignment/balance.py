"""The inner products <w_out, b> of neurons with their feedback, and kappa_j (L-1, P-2)."""

from __future__ import annotations

import torch
from torch import Tensor

from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.networks import Networks
from theory_checks.statements.conservation.laws import squares


def feedback_into(networks: Networks, layer: int) -> Tensor:
    """Return B_{l+1}, the feedback into hidden layer l in effect now, (row, n_l, n_{l+1}).

    NaN where no matrix stands in for W_{l+1}^T: direct feedback into earlier layers.
    """
    weight = networks.parameters[f"W{layer + 1}"]
    earlier = layer + 1 < networks.field.layout.layers
    parts = []
    for group in networks.field.groups:
        own = weight[group.start : group.stop]
        if earlier and group.rule.feedback_from == "output":
            parts.append(torch.full_like(own.transpose(1, 2), torch.nan))
        else:
            parts.append(group.rule.feedback(layer + 1, own, group.kept))
    return torch.cat(parts)


def products(networks: Networks, layer: int) -> Tensor:
    """Return <w_out, b> of each neuron of hidden layer l, (row, n_l)."""
    out_weight = networks.parameters[f"W{layer + 1}"].transpose(1, 2)
    return (out_weight * feedback_into(networks, layer)).sum(2)


def half_squares(networks: Networks, layer: int) -> Tensor:
    """Return 1/2 (||w_in||^2 + c^2) of each neuron of hidden layer l, (row, n_l)."""
    return 0.5 * squares(networks, layer)


def start_of(evidence: Evidence) -> Networks:
    """Return the networks at time 0, a row for each trajectory."""
    return Networks(
        evidence.field,
        evidence.initial[evidence.rows],
        evidence.flow.span.outside_norm2[evidence.rows],
        torch.zeros(len(evidence)),
    )


def kappas(evidence: Evidence, layer: int) -> Tensor:
    """Return kappa_j = <w_out, b> - 1/2 (||w_in||^2 + c^2) at time 0, (trajectory, n_l)."""
    start = start_of(evidence)
    return products(start, layer) - half_squares(start, layer)

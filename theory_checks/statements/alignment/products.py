"""The inner products <w_out, b> of neurons with their feedback, and kappa_j (L-1, P-2)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.networks import Networks
from theory_checks.margins.bounds import never_negative
from theory_checks.margins.measurement import Item, Measurement
from theory_checks.statements.conservation.laws import squares

FIXED = ("fa", "adafa")
"""Rules of which L-1 claims signs and cosine if kappa_j >= 0: their feedback never moves."""


def feedback_into(networks: Networks, layer: int) -> Tensor:
    """Return B_{l+1}, the feedback into hidden layer l in effect now, (row, n_l, n_{l+1}).

    NaN where no matrix stands in for W_{l+1}^T: direct feedback into earlier layers.
    """
    weight = networks.parameters[f"W{layer + 1}"]
    earlier = layer + 1 < networks.field.layout.layers
    parts = []
    for group in networks.field.groups:
        part = weight[group.start : group.stop]
        if earlier and group.rule.feedback_from != "next layer":
            parts.append(torch.full_like(part.transpose(1, 2), torch.nan))
        else:
            kept = group.kept_at(networks.parameters)
            parts.append(group.rule.feedback(layer + 1, part, kept))
    return torch.cat(parts)


def products(networks: Networks, layer: int) -> Tensor:
    """Return <w_out, b> of each neuron of hidden layer l, (row, n_l)."""
    out_weight = networks.parameters[f"W{layer + 1}"].transpose(1, 2)
    return (out_weight * feedback_into(networks, layer)).sum(2)


def half_squares(networks: Networks, layer: int) -> Tensor:
    """Return 1/2 (||w_in||^2 + c^2) of each neuron of hidden layer l, (row, n_l)."""
    return 0.5 * squares(networks, layer)


def kappas(evidence: Evidence, layer: int) -> Tensor:
    """Return kappa_j = <w_out, b> - 1/2 (||w_in||^2 + c^2) at time 0, (trajectory, n_l)."""
    start = evidence.at_start()
    return products(start, layer) - half_squares(start, layer)


def above_kappa(evidence: Evidence, layer: int) -> Measurement:
    """Measure <w_out, b> >= kappa_j of hidden layer l, attained where the in-weights vanish."""
    measurement = never_negative(
        evidence,
        lambda networks: products(networks, layer),
        tuple(Item(layer, neuron) for neuron in range(evidence.flow.layout.sizes[layer])),
        scale=lambda networks: terms(networks, layer),
        least=kappas(evidence, layer),
        attained=True,
    )
    return replace(measurement, note="the bound kappa_j")


def terms(networks: Networks, layer: int) -> Tensor:
    """Return how large the terms are that balance in a layer's laws, (row, n_l).

    The largest of the layer counts for all, as in `constant`: what moves a neuron that slides at
    zero is the rounding of others.
    """
    size = products(networks, layer).abs() + half_squares(networks, layer)
    return size.amax(1, keepdim=True).expand_as(size)

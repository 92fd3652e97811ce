"""Angles between weights and the feedback that stands in for their transposes.

The feedback is what the rule of the claimed flow says, ``group.rule.feedback``, so that a rule
whose feedback is not what its name promises fails the check.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from flowfa.flow.field import RuleGroup
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.networks import Networks, Quantity
from theory_checks.margins.measurement import Item, Measurement


def layers_with_feedback(evidence: Evidence) -> tuple[Item, ...]:
    """Return W_2, ..., W_L: the layers whose transposes feedback may stand in for."""
    return tuple(Item(layer) for layer in range(2, evidence.flow.layout.layers + 1))


def stands_in(evidence: Evidence) -> Tensor:
    """Return whether feedback stands in for W_l^T, (trajectory, layer) bool.

    Direct feedback does so in the last layer alone.
    """
    layers = evidence.flow.layout.layers
    result = torch.ones(len(evidence), layers - 1, dtype=torch.bool)
    for group in evidence.field.groups:
        if group.rule.feedback_from != "next layer":
            result[group.start : group.stop, :-1] = False
    return result


def pairs(networks: Networks, layer: int) -> tuple[Tensor, Tensor]:
    """Return W_l and B_l^T, each (row, n_l, n_{l-1}); B_l^T is zero where there is none."""
    weight = networks.parameters[f"W{layer}"]
    parts = [_feedback(networks, group, layer, weight) for group in networks.field.groups]
    return weight, torch.cat(parts)


def inner(networks: Networks) -> Tensor:
    """Return <W_l, B_l^T> by layer, (row, layer)."""
    return _by_layer(networks, lambda weight, feedback: (weight * feedback).sum((1, 2)))


def norms(networks: Networks) -> Tensor:
    """Return ||W_l||_F ||B_l||_F by layer, (row, layer)."""
    return _by_layer(networks, lambda weight, feedback: _norm(weight) * _norm(feedback))


def frobenius(networks: Networks) -> Tensor:
    """Return ||W_l||_F by layer, (row, layer)."""
    return _by_layer(networks, lambda weight, feedback: _norm(weight))


def cosines(networks: Networks) -> Tensor:
    """Return cos(W_l, B_l^T) by layer, (row, layer); 0 where either vanishes: see `no_angle`."""
    size = norms(networks)
    return inner(networks) / torch.where(size == 0.0, 1.0, size)


def neuron_cosines(networks: Networks) -> Tensor:
    """Return cos(W_{l+1}[:,j], B_{l+1}[j,:]) of each hidden neuron, 0 where either vanishes."""
    size = neuron_norms(networks)
    layers = range(2, networks.field.layout.layers + 1)
    products = [torch.mul(*pairs(networks, layer)).sum(1) for layer in layers]
    return torch.cat(products, 1) / torch.where(size == 0.0, 1.0, size)


def neuron_norms(networks: Networks) -> Tensor:
    """Return ||W_{l+1}[:,j]|| ||B_{l+1}[j,:]|| of each hidden neuron."""
    columns = []
    for layer in range(2, networks.field.layout.layers + 1):
        weight, feedback = pairs(networks, layer)
        columns.append(root(weight.square().sum(1)) * root(feedback.square().sum(1)))
    return torch.cat(columns, 1)


def no_angle(evidence: Evidence, sizes: Tensor) -> Tensor:
    """Return where a norm vanishes at a time of the interval, (trajectory, interval, item) bool.

    Parameters
    ----------
    evidence : Evidence
    sizes : Tensor
        Products of norms, (trajectory, time, item).
    """
    zero = sizes == 0.0
    return zero[:, :-2:2] | zero[:, 1::2] | zero[:, 2::2]


def with_angle(
    evidence: Evidence, measurement: Measurement, size: Quantity, note: str = ""
) -> Measurement:
    """Return a measurement that counts only where there is an angle; `size` as in `no_angle`."""
    angle = ~no_angle(evidence, evidence.along(size).values)
    return replace(measurement, valid=measurement.valid & angle, note=note)


def _feedback(networks: Networks, group: RuleGroup, layer: int, weight: Tensor) -> Tensor:
    part = weight[group.start : group.stop]
    if group.rule.feedback_from != "next layer" and layer < networks.field.layout.layers:
        return torch.zeros_like(part)
    kept = group.kept_at(networks.parameters)
    return group.rule.feedback(layer, part, kept).transpose(-1, -2)


def _by_layer(networks: Networks, measure: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    layers = range(2, networks.field.layout.layers + 1)
    return torch.stack([measure(*pairs(networks, layer)) for layer in layers], 1)


def _norm(matrix: Tensor) -> Tensor:
    return root(matrix.square().sum((1, 2)))


def root(square: Tensor) -> Tensor:
    """Return the square root, with derivative 0 at 0."""
    vanishes = square == 0.0
    return torch.where(vanishes, 0.0, torch.where(vanishes, 1.0, square).sqrt())

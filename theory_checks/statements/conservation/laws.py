"""The rows of C-1's table: what each rule conserves, written down here and not asked of the rule.

Another rule whose feedback has the form of C-12 is held to the law that its a, B and M make, by
arithmetic of this file. A rule without a form has no row here: it is held to what it claims itself.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from flowfa.flow.field import RuleGroup
from flowfa.problems.rules import SignFeedbackAlignment, form_of
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.networks import Networks
from theory_checks.margins.measurement import Item


def neurons(evidence: Evidence) -> tuple[Item, ...]:
    """Return all hidden neurons, layer by layer."""
    sizes = evidence.flow.layout.sizes
    return tuple(
        Item(layer, neuron) for layer in range(1, len(sizes) - 1) for neuron in range(sizes[layer])
    )


def with_law(evidence: Evidence) -> Tensor:
    """Return whether C-1 has a row for the rule of a trajectory and the layer of a neuron.

    Returns
    -------
    Tensor
        (trajectory, hidden neuron), bool; False for dfa's earlier layers, which have no law in
        the weights.
    """
    start = evidence.at_start()
    columns = []
    for layer in range(1, evidence.flow.layout.layers):
        column = torch.zeros(len(evidence), evidence.flow.layout.sizes[layer], dtype=torch.bool)
        for group in evidence.field.groups:
            column[group.start : group.stop] = _row(start, group, layer) is not None
        columns.append(column)
    return torch.cat(columns, 1)


def neuron_law(networks: Networks) -> Tensor:
    """Return C with the own bias (C-2), (row, hidden neuron); NaN where there is no law."""
    columns = []
    for layer in range(1, networks.field.layout.layers):
        parts = []
        for group in networks.field.groups:
            row = _row(networks, group, layer)
            if row is None:
                size = (group.stop - group.start, networks.field.layout.sizes[layer])
                row = networks.state.new_full(size, torch.nan)
            parts.append(degree_of(networks) * row)
        columns.append(torch.cat(parts))
    return torch.cat(columns, 1)


def in_norms(networks: Networks) -> Tensor:
    """Return 1/2 (||w_in||^2 + c^2) of each hidden neuron, the term that the others balance."""
    layers = range(1, networks.field.layout.layers)
    return torch.cat([0.5 * squares(networks, layer) for layer in layers], 1)


def squares(networks: Networks, layer: int) -> Tensor:
    """Return ||W_l[j,:]||^2 + c_{l,j}^2 of each neuron (C-2), (row, n_l)."""
    bias = networks.parameters.get(f"c{layer}")
    incoming = networks.incoming(layer)
    return incoming if bias is None else incoming + bias.square()


def degree_of(networks: Networks) -> float:
    """Return p of an activation with sigma'(z) z = p sigma(z) (C-6).

    With it C is p times the row of C-1's table at ||w_in||^2 / p. It is 1 where there is none, so
    that C-1 can be tried without its hypothesis.
    """
    degree = networks.field.activation.degree
    return 1.0 if degree is None else degree


def _row(networks: Networks, group: RuleGroup, layer: int) -> Tensor | None:
    """Return C / p of the neurons of a layer for the rows of a group, by the table of C-1."""
    rows = slice(group.start, group.stop)
    incoming = squares(networks, layer)[rows] / degree_of(networks)
    weight = networks.parameters[f"W{layer + 1}"][rows]
    out = weight.transpose(1, 2)
    name = group.rule.name
    if name == "gd":
        return incoming - out.square().sum(2)
    if name in ("fa", "adafa"):
        return 0.5 * incoming - (out * group.kept[f"B{layer + 1}"]).sum(2)
    if name == "frsf":
        return 0.5 * incoming - (out.abs() * group.kept[f"M{layer + 1}"]).sum(2)
    if name == "signfa":
        return 0.5 * incoming - sign_scale(group, weight) * out.abs().sum(2)
    if name == "dfa":
        if layer < networks.field.layout.layers - 1:
            return None
        return 0.5 * incoming - (out * group.kept[f"D{layer}"]).sum(2)
    form = form_of(group.rule, layer + 1, (weight.shape[1], weight.shape[2]), group.kept)
    if form is None:
        return group.rule.conserved(layer, incoming, weight, group.kept_at(networks.parameters))
    terms = 0.5 * form.weight_share * out.square()
    if form.fixed is not None:
        terms = terms + out * form.fixed
    if form.magnitudes is not None:
        terms = terms + out.abs() * form.magnitudes
    return group.rule.conserved_unit * (0.5 * incoming - terms.sum(2))


def sign_scale(group: RuleGroup, weight: Tensor) -> float:
    """Return s of the layer that the out-weights belong to."""
    assert isinstance(group.rule, SignFeedbackAlignment)
    if group.rule.scale == "xavier":
        return math.sqrt(2.0 / (weight.shape[1] + weight.shape[2]))
    return group.rule.scale

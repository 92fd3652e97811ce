"""How far apart two sets of networks are: in weights, outputs, loss, alignment, activation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flowfa.flow.field import NetworkField
from flowfa.flow.observables import observe

ON_A_KINK = 1e-9
"""Share of the largest preactivation below which the flow's is zero: it slides, on neither side."""


@dataclass(frozen=True)
class FreshInputs:
    """Inputs that are not in the data, in the coordinates of the field's first layer.

    Attributes
    ----------
    coordinates : Tensor
        Coordinates of the inputs in the span of the data, (input, r).
    outside : Tensor
        The part of the preactivations that comes from W_1 outside the span, which never moves,
        (row, n_1, input).
    """

    coordinates: Tensor
    outside: Tensor

    def select(self, rows: Tensor) -> FreshInputs:
        """Return what belongs to some rows."""
        return FreshInputs(self.coordinates, self.outside[rows])


def compare(
    field: NetworkField,
    flow: Tensor,
    steps: Tensor,
    outside_norm2: Tensor,
    fresh: FreshInputs,
) -> dict[str, Tensor]:
    """Compare networks of the flow with those of steps, row by row.

    Parameters
    ----------
    field : NetworkField
        A field with one row for each pair.
    flow, steps : Tensor
        States, (row, parameter).
    outside_norm2 : Tensor
        Squared norm of each row of W_1 outside the span of the data, (row, n_1).
    fresh : FreshInputs

    Returns
    -------
    dict
        ``parameters``: ||theta_steps - theta_flow|| / ||theta_flow||, (row,). ``layers``: the same
        of each W_l, (row, layer). ``outputs`` and ``fresh_outputs``: relative distance of the
        outputs on the data and on fresh inputs, (row,). ``loss_gap``: Loss of the steps minus that
        of the flow. ``alignment_gap``: the same of cos(W_l, B_l^T), (row, layer). ``flow_loss``.
        ``patterns``: share of preactivations on different sides of zero, those at which the flow
        slides left out.
    """
    # Of the networks alone: feedback that moves is no parameter of theirs.
    of_network = slice(0, field.layout.network_length)
    difference = (steps - flow)[:, of_network]
    norm2 = flow[:, of_network].square().sum(1) + outside_norm2.sum(1)
    layers = []
    differences, weights = field.layout.views(difference), field.layout.views(flow)
    for layer in range(1, field.layout.layers + 1):
        norm2_of_layer = weights[f"W{layer}"].square().sum((1, 2))
        norm2_of_layer = norm2_of_layer + outside_norm2.sum(1) if layer == 1 else norm2_of_layer
        layers.append(differences[f"W{layer}"].square().sum((1, 2)).sqrt() / norm2_of_layer.sqrt())
    flow_observed, step_observed = (
        observe(field, flow, outside_norm2),
        observe(field, steps, outside_norm2),
    )
    on_flow, on_steps = field.forward(flow), field.forward(steps)
    flow_z = torch.cat([preactivations.flatten(1) for preactivations in on_flow.preactivations], 1)
    step_z = torch.cat([preactivations.flatten(1) for preactivations in on_steps.preactivations], 1)
    free = flow_z.abs() > ON_A_KINK * flow_z.abs().amax(1, keepdim=True)
    differ = ((flow_z > 0.0) != (step_z > 0.0)) & free
    broken = ~steps.isfinite().all(1)
    return {
        "parameters": difference.norm(dim=1) / norm2.sqrt(),
        "layers": torch.stack(layers, 1),
        "outputs": _relative(on_steps.output, on_flow.output),
        "fresh_outputs": _relative(outputs(field, steps, fresh), outputs(field, flow, fresh)),
        "loss_gap": step_observed["loss"] - flow_observed["loss"],
        "flow_loss": flow_observed["loss"],
        "alignment_gap": step_observed["alignment"] - flow_observed["alignment"],
        "patterns": (differ.double().mean(1)).masked_fill(broken, torch.nan),
    }


def outputs(field: NetworkField, state: Tensor, fresh: FreshInputs) -> Tensor:
    """Return outputs on fresh inputs, (row, n_L, input)."""
    parameters = field.layout.views(state)
    z = parameters["W1"] @ fresh.coordinates.T + fresh.outside
    for layer in range(1, field.layout.layers + 1):
        if layer > 1:
            z = torch.bmm(parameters[f"W{layer}"], field.activation.value(z))
        bias = parameters.get(f"c{layer}")
        z = z if bias is None else z + bias[:, :, None]
    return z


def _relative(compared: Tensor, reference: Tensor) -> Tensor:
    return (compared - reference).flatten(1).norm(dim=1) / reference.flatten(1).norm(dim=1)

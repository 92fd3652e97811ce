"""What is recorded of each network at the save times (groups /trajectory, /neurons of a file)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

import flowfa.flow.curvature
import flowfa.flow.layer_observables
import flowfa.flow.normalised_margin  # noqa: F401 - each import registers observables
from flowfa.flow.field import ForwardPass, NetworkField
from flowfa.flow.magnitude import cosine, norm, scaled
from flowfa.flow.measured import MeasuredState, Origin
from flowfa.flow.observable_registry import Observable


def observe(
    field: NetworkField,
    state: Tensor,
    outside_norm2: Tensor,
    observables: Sequence[Observable] = (),
    origin: Origin | None = None,
) -> dict[str, Tensor]:
    """Measure networks at given states.

    Parameters
    ----------
    field : NetworkField
        With one row for each row of `state`.
    state : Tensor
        (row, parameter).
    outside_norm2 : Tensor
        Squared norm of each row of W_1 outside the span of the data, (row, n_1).
    observables : sequence of Observable
        What else is to be measured.
    origin : Origin, optional
        Where the networks come from.

    Returns
    -------
    dict
        Each (row,): ``loss``; ``gradient_norm`` ||grad Loss||, ``update_norm`` ||G||, ``cosine``
        and ``loss_rate`` = -<grad Loss, G> of Eq. (1), -G the velocity with decay and rates;
        ``accuracy`` (NaN for regression).
        Each (row, layer): ``weight_norm`` ||W_l||_F and ``alignment`` cos(W_l, B_l^T), NaN where
        no matrix stands in for W_l^T. (row, hidden neuron): ``conserved``, the invariant of C-1.
        And each of `observables`, by its name.
    """
    measured = MeasuredState(field, state, outside_norm2, origin)
    forward, update, gradient = measured.forward, measured.update, measured.steepest
    correct = field.loss.correct(forward.output, field.targets)
    losses = field.loss.value(forward.output, field.targets)
    return {
        "loss": field.mean(losses),
        "gradient_norm": norm(gradient),
        "update_norm": norm(update),
        # Where either vanishes there is no angle: 0/0 gives NaN, which means just that.
        "cosine": cosine(gradient, update),
        "loss_rate": -descent_product(measured),
        "accuracy": field.mean(losses) * torch.nan
        if correct is None
        else field.mean(correct.to(state.dtype)),
        "weight_norm": measured.weight_norm2.sqrt(),
        "alignment": alignment(field, forward),
        "conserved": conserved(field, forward, outside_norm2),
        **{observable.name: observable.measure(measured) for observable in observables},
    }


def descent_product(measured: MeasuredState) -> Tensor:
    """Return <grad Loss, G>, (row,), at which the loss falls (Eq. (1))."""
    (update, update_size), (gradient, size) = scaled(measured.update), scaled(measured.steepest)
    return (gradient * update).sum(1) * size * update_size


def conserved(field: NetworkField, forward: ForwardPass, outside_norm2: Tensor) -> Tensor:
    """Return the invariant of C-1 of each hidden neuron, (row, hidden neuron), layer by layer.

    An activation of degree p conserves 1/2 ||w_in||^2 - p g(w_out), g as in the rule's own law
    (C-6); one that is not homogeneous has no law: NaN. With rates of layers it is
    ||w_in||^2 / (2 eta_l) - p g(w_out) / eta_{l+1} (C-8).
    """
    degree = field.activation.degree
    if degree is None:
        return forward.output.new_full(
            (len(forward.output), field.layout.hidden_neurons), torch.nan
        )
    columns = []
    for layer in range(1, field.layout.layers):
        incoming = forward.parameters[f"W{layer}"].square().sum(-1)
        if layer == 1:
            incoming = incoming + outside_norm2
        bias = forward.parameters.get(f"c{layer}")
        if bias is not None:
            incoming = incoming + bias.square()
        out_weight = forward.parameters[f"W{layer + 1}"]
        column = torch.full_like(incoming, torch.nan)
        for group in field.groups:
            rows = slice(group.start, group.stop)
            # p times the rule's law at ||w_in||^2 / p, which keeps the rule's own unit.
            share, unit = incoming[rows] / degree, degree
            if field.rates:
                share = share * (field.rates[layer] / field.rates[layer - 1])
                unit = degree / field.rates[layer]
            law = group.rule.conserved(
                layer, share, out_weight[rows], group.kept_at(forward.parameters)
            )
            if law is not None:
                column[rows] = unit * law
        columns.append(column)
    return torch.cat(columns, dim=1)


def alignment(field: NetworkField, forward: ForwardPass) -> Tensor:
    """Return cos(W_l, B_l^T) by layer (A-1, P-1); direct feedback has it in layer L only."""
    last = field.layout.layers
    size = len(forward.output)
    cosines = forward.output.new_full((size, last), torch.nan)
    for layer in range(2, last + 1):
        weight = forward.parameters[f"W{layer}"]
        for group in field.groups:
            if group.rule.feedback_from != "next layer" and layer < last:
                continue
            rows = slice(group.start, group.stop)
            kept = group.kept_at(forward.parameters)
            matrix = group.rule.feedback(layer, weight[rows], kept).transpose(-1, -2)
            product = (weight[rows] * matrix).sum((1, 2))
            norms = weight[rows].square().sum((1, 2)).sqrt() * matrix.square().sum((1, 2)).sqrt()
            cosines[rows, layer - 1] = product / norms
    return cosines

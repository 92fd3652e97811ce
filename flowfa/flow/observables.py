"""What is recorded of each network at the save times (groups /trajectory, /neurons of a file)."""

from __future__ import annotations

import torch
from torch import Tensor

from flowfa.flow.field import ForwardPass, NetworkField
from flowfa.flow.sliding import with_sliding_slopes


def observe(field: NetworkField, state: Tensor, outside_norm2: Tensor) -> dict[str, Tensor]:
    """Measure networks at given states.

    Parameters
    ----------
    field : NetworkField
        With one row for each row of `state`.
    state : Tensor
        (row, parameter).
    outside_norm2 : Tensor
        Squared norm of each row of W_1 outside the span of the data, (row, n_1).

    Returns
    -------
    dict
        Each (row,): ``loss``; ``gradient_norm`` ||grad Loss||, ``update_norm`` ||G||, ``cosine``
        and ``loss_rate`` = -<grad Loss, G> of Eq. (1); ``accuracy`` (NaN for regression).
        Each (row, layer): ``weight_norm`` ||W_l||_F and ``alignment`` cos(W_l, B_l^T), NaN where
        no matrix stands in for W_l^T. (row, hidden neuron): ``conserved``, the invariant of C-1.
    """
    forward = field.forward(state)
    output_signal = field.output_signal(forward)
    forward = with_sliding_slopes(field, forward, output_signal)
    update = field.descent(forward, output_signal, field.rule_signal)
    gradient = field.steepest(forward, output_signal)
    update_norm = update.norm(dim=1)
    gradient_norm = gradient.norm(dim=1)
    product = (gradient * update).sum(1)
    correct = field.loss.correct(forward.output, field.targets)
    losses = field.loss.value(forward.output, field.targets)
    return {
        "loss": losses.mean(1),
        "gradient_norm": gradient_norm,
        "update_norm": update_norm,
        # Where either vanishes there is no angle: 0/0 gives NaN, which means just that.
        "cosine": product / (gradient_norm * update_norm),
        "loss_rate": -product,
        "accuracy": losses.mean(1) * torch.nan
        if correct is None
        else correct.to(state.dtype).mean(1),
        "weight_norm": _weight_norm(field, forward, outside_norm2),
        "alignment": _alignment(field, forward),
        "conserved": conserved(field, forward, outside_norm2),
    }


def conserved(field: NetworkField, forward: ForwardPass, outside_norm2: Tensor) -> Tensor:
    """Return the invariant of C-1 of each hidden neuron, (row, hidden neuron), layer by layer."""
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
            law = group.rule.conserved(layer, incoming[rows], out_weight[rows], group.kept)
            if law is not None:
                column[rows] = law
        columns.append(column)
    return torch.cat(columns, dim=1)


def _weight_norm(field: NetworkField, forward: ForwardPass, outside_norm2: Tensor) -> Tensor:
    squares = [
        forward.parameters[f"W{layer}"].square().sum((1, 2))
        for layer in range(1, field.layout.layers + 1)
    ]
    squares[0] = squares[0] + outside_norm2.sum(1)
    return torch.stack(squares, dim=1).sqrt()


def _alignment(field: NetworkField, forward: ForwardPass) -> Tensor:
    """Return cos(W_l, B_l^T) by layer (A-1, P-1); direct feedback has it in layer L only."""
    last = field.layout.layers
    size = len(forward.output)
    cosines = forward.output.new_full((size, last), torch.nan)
    for layer in range(2, last + 1):
        weight = forward.parameters[f"W{layer}"]
        for group in field.groups:
            if group.rule.feedback_from == "output" and layer < last:
                continue
            rows = slice(group.start, group.stop)
            matrix = group.rule.feedback(layer, weight[rows], group.kept).transpose(-1, -2)
            product = (weight[rows] * matrix).sum((1, 2))
            norms = weight[rows].square().sum((1, 2)).sqrt() * matrix.square().sum((1, 2)).sqrt()
            cosines[rows, layer - 1] = product / norms
    return cosines

"""Observables of layers and neurons: directions of the update, ranks, dead and sliding neurons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from flowfa.errors import InputError
from flowfa.flow.magnitude import cosine
from flowfa.flow.measured import MeasuredState
from flowfa.flow.observable_registry import Observable, observable
from flowfa.flow.sliding import reaches_of_zero, slopes_are_known


@observable(
    "layer-cosine",
    unit="1",
    per="layer",
    title="cosine of the angle between update and steepest descent",
)
def layer_cosine(measured: MeasuredState) -> Tensor:
    """Return cos of the angle between the parts of G and grad Loss in W_l and c_l, (row, layer)."""
    layout = measured.field.layout
    update, steepest = layout.views(measured.update), layout.views(measured.steepest)
    cosines = []
    for layer in range(1, layout.layers + 1):
        names = [name for name in (f"W{layer}", f"c{layer}") if name in update]
        left = torch.cat([update[name].flatten(1) for name in names], 1)
        right = torch.cat([steepest[name].flatten(1) for name in names], 1)
        cosines.append(cosine(left, right))
    return torch.stack(cosines, 1)


@observable("dead-neurons", unit="1", per="layer", title="hidden neurons that no sample activates")
def dead_neurons(measured: MeasuredState) -> Tensor:
    """Return how many neurons of each hidden layer have z <= 0 on all samples, (row, layer).

    Under a ReLU they have no output and no update. NaN in the output layer. Samples of weight 0
    do not count.
    """
    shares = measured.field.sample_shares
    absent = False if shares is None else (shares == 0.0)[..., None, :]
    return _counts(
        measured, [((z <= 0.0) | absent).all(2) for z in measured.forward.preactivations]
    )


@observable(
    "sliding-neurons", unit="1", per="layer", title="hidden neurons that slide on some sample"
)
def sliding_neurons(measured: MeasuredState) -> Tensor:
    """Return how many neurons are held at z = 0 on some sample, (row, layer).

    They slide if the flow on both sides points at z = 0 (docs/theory/statements.md, solution
    concept). Known where slopes are (`flowfa.flow.sliding.slopes_are_known`); NaN elsewhere, and in
    the output layer.
    """
    return _counts(measured, [slides.any(2) for slides in _sliding(measured)])


@observable(
    "sliding-pairs", unit="1", per="layer", title="pairs of hidden neuron and sample that slide"
)
def sliding_pairs(measured: MeasuredState) -> Tensor:
    """Return how many pairs of neuron and sample are held at z = 0, (row, layer).

    Known where `sliding_neurons` is.
    """
    return _counts(measured, [slides.flatten(1) for slides in _sliding(measured)])


def _sliding(measured: MeasuredState) -> list[Tensor]:
    """Return which pairs slide, each (row, n_l, sample); nothing where that is not known."""
    field, forward = measured.field, measured.forward
    if not slopes_are_known(field):
        return []
    if not forward.slopes:
        return [torch.zeros_like(z, dtype=torch.bool) for z in forward.preactivations]
    return [
        (z.abs() <= reach) & (slope > field.leak) & (slope < 1.0)
        for z, reach, slope in zip(
            forward.preactivations, reaches_of_zero(field, forward), forward.slopes, strict=True
        )
    ]


def _counts(measured: MeasuredState, neurons: list[Tensor]) -> Tensor:
    """Return the numbers of what is marked, by layer, NaN in the output layer and where unknown."""
    state, layers = measured.state, measured.field.layout.layers
    columns = [marked.sum(1).to(state.dtype) for marked in neurons]
    columns += [torch.full_like(state[:, 0], torch.nan)] * (layers - len(columns))
    known = state.isfinite().all(1)
    return torch.where(known[:, None], torch.stack(columns, 1), torch.nan)


@observable("effective-rank", unit="1", per="layer", title="effective rank of the weights")
def effective_rank(measured: MeasuredState) -> Tensor:
    """Return exp of the entropy of the normalised singular values of W_l, (row, layer).

    W_1 is taken in the span of the data, where it moves.

    References
    ----------
    O. Roy, M. Vetterli, The effective rank, EUSIPCO 2007.
    """
    ranks = []
    for layer in range(1, measured.field.layout.layers + 1):
        values = _singular_values(measured.parameters[f"W{layer}"])
        share = values / values.sum(1, keepdim=True)
        # -x log x is 0 at 0.
        ranks.append(torch.exp(-torch.special.xlogy(share, share).sum(1)))
    return torch.stack(ranks, 1)


@observable(
    "singular-values",
    per="neuron",
    title="singular values of the in-weights of a hidden layer, from the largest",
)
def singular_values(measured: MeasuredState) -> Tensor:
    """Return the singular values of W_l in the places of the neurons of layer l, (row, neuron).

    NaN where there are fewer than neurons. W_1 is taken in the span of the data, where it moves.
    """
    columns = []
    for layer in range(1, measured.field.layout.layers):
        weight = measured.parameters[f"W{layer}"]
        column = torch.full_like(weight[:, :, 0], torch.nan)
        values = _singular_values(weight)
        column[:, : values.shape[1]] = values
        columns.append(column)
    return torch.cat(columns, 1)


def _singular_values(weight: Tensor) -> Tensor:
    """Return singular values, (row, value); NaN of a matrix that is not finite."""
    known = weight.isfinite().flatten(1).all(1)[:, None]
    # One matrix at a time, because a batch may be rounded by its size.
    safe = torch.where(known[:, :, None], weight, 0.0)
    values = torch.stack([torch.linalg.svdvals(matrix) for matrix in safe])
    return torch.where(known, values, torch.nan)


@observable(
    "direct-alignment",
    unit="1",
    per="layer",
    title="cos(W_l, D_l D_{l-1}^T) under direct feedback",
)
def direct_alignment(measured: MeasuredState) -> Tensor:
    """Return cos(W_l, D_l D_{l-1}^T), in the last layer cos(W_L, D_{L-1}^T), (row, layer).

    Under direct feedback the weights align with products of the feedback of neighbouring layers.
    NaN in layer 1, and under rules whose feedback does not come from the output.

    References
    ----------
    M. Refinetti, S. d'Ascoli, R. Ohana, S. Goldt, Align, then memorise: the dynamics of learning
    with feedback alignment, ICML 2021.
    """
    layout = measured.field.layout
    cosines = measured.state.new_full((len(measured.state), layout.layers), torch.nan)
    for group in measured.field.groups:
        if group.rule.feedback_from != "output":
            continue
        rows = slice(group.start, group.stop)
        kept = group.kept_at(measured.parameters)
        for layer in range(2, layout.layers + 1):
            target = kept[f"D{layer - 1}"].transpose(1, 2)
            if layer < layout.layers:
                target = torch.bmm(kept[f"D{layer}"], target)
            weight = measured.parameters[f"W{layer}"][rows]
            product = (weight * target).sum((1, 2))
            norms = weight.square().sum((1, 2)).sqrt() * target.square().sum((1, 2)).sqrt()
            cosines[rows, layer - 1] = product / norms
    return cosines


@observable("distance-to-start", per="layer", title="distance of the weights to their start")
def distance_to_start(measured: MeasuredState) -> Tensor:
    """Return the norm of the change of W_l and c_l since time 0, (row, layer)."""
    layout = measured.field.layout
    if measured.origin is None:
        return measured.state.new_full((len(measured.state), layout.layers), torch.nan)
    moved = layout.views(measured.state - measured.origin.start)
    columns = []
    for layer in range(1, layout.layers + 1):
        square = moved[f"W{layer}"].square().sum((1, 2))
        if f"c{layer}" in moved:
            square = square + moved[f"c{layer}"].square().sum(1)
        columns.append(square.sqrt())
    return torch.stack(columns, 1)


def neuron_cosine(direction: Sequence[float] | np.ndarray) -> Observable:
    """Return the observable of the cosine of each first-layer neuron to a direction.

    Parameters
    ----------
    direction : array_like
        In the space of the features, (feature,).

    Returns
    -------
    Observable
        For ``observe={"toward": neuron_cosine(direction)}``; NaN in later layers.

    Raises
    ------
    InputError
        If it is no vector, or has no direction.
    """
    vector = np.asarray(direction, dtype=np.float64)
    if vector.ndim != 1 or not np.isfinite(vector).all() or not vector.any():
        raise InputError(
            f"`direction` has shape {vector.shape}: expected a vector of finite numbers, not all 0"
        )
    unit = torch.tensor(vector / np.linalg.norm(vector))

    def cosine(measured: MeasuredState) -> Tensor:
        origin, layout = measured.origin, measured.field.layout
        assert origin is not None and origin.span is not None and origin.trajectories is not None
        weight = origin.span.restore(measured.parameters["W1"], origin.trajectories)
        if weight.shape[2] != len(unit):
            raise InputError(
                f"`direction` has {len(unit)} entries and the data {weight.shape[2]} features"
            )
        toward = unit.to(weight).expand(len(weight), 1, -1).transpose(1, 2)
        cosines = weight.new_full((len(weight), layout.hidden_neurons), torch.nan)
        cosines[:, : layout.sizes[1]] = torch.bmm(weight, toward).squeeze(2) / weight.norm(dim=2)
        return cosines

    title = "cosine of each neuron of the first layer to a direction"
    return Observable("neuron-cosine", cosine, "neuron", "1", title)

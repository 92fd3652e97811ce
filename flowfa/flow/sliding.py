"""The slopes of neurons that slide, for what is measured at a state.

While a neuron slides, its preactivation is zero up to rounding, and the sign of that rounding says
nothing: the slope in [alpha, 1] is the one that keeps it there (docs/theory.md, solution concept).
With one hidden layer the state alone determines it.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from scipy.optimize import lsq_linear
from torch import Tensor

from flowfa.flow.field import ForwardPass, NetworkField

ZERO = 1e-12
"""Below this share of ||w|| ||x|| a preactivation counts as zero."""
VANISHING = 1e-15
"""Below this share of all parameters' norm in-weights are zero: a neuron may slide at w = 0."""
BEYOND = 1e-6
"""Slopes this far outside [alpha, 1] are rounding; farther, and a sample does not slide."""


def with_sliding_slopes(
    field: NetworkField, forward: ForwardPass, output_signal: Tensor
) -> ForwardPass:
    """Return the forward pass with the slopes of sliding samples, where there are any.

    Parameters
    ----------
    field : NetworkField
        Others than those of one hidden layer of leaky ReLUs with exact kinks are left as they are.
    forward : ForwardPass
    output_signal : Tensor
        What ``field.output_signal`` returns.
    """
    activation = field.activation
    if field.layout.layers != 2 or not activation.piecewise_linear or activation.kinks == "none":
        return forward
    z = forward.preactivations[0]
    inputs = field.inputs if field.inputs.ndim == 3 else field.inputs[None]
    square = inputs.square().sum(2)
    if "c1" in field.layout.shapes:
        square = square + 1.0
    reach = reach_of_zero(field, forward)
    if not (z.abs() <= reach).any():
        return forward
    g = field.rule_signal(2, forward, output_signal, output_signal)
    # A sample that is zero has no surface: its preactivation is zero whatever the weights.
    held = (z.abs() <= reach) & (g < 0.0) & (square > 0.0)[:, None]
    slope = torch.where(z > 0.0, z.new_tensor(1.0), z.new_tensor(field.leak))
    gram = inputs @ inputs.transpose(1, 2)
    if "c1" in field.layout.shapes:
        gram = gram + 1.0
    drive = torch.where(held, torch.zeros_like(g), slope * g)
    velocity = drive @ gram
    own = torch.diagonal(gram, dim1=1, dim2=2)[:, None]
    alone = held & (held.sum(2, keepdim=True) == 1)
    slope = torch.where(alone, (-velocity / (own * g)).clamp(field.leak, 1.0), slope)
    several = (held.sum(2) > 1).nonzero()
    if len(several):
        slope = _with_several(several, held, gram, velocity, g, slope, field.leak)
    return dataclasses.replace(forward, slopes=(slope,))


def reach_of_zero(field: NetworkField, forward: ForwardPass) -> Tensor:
    """Return up to which size a preactivation of the hidden layer is rounding of zero.

    In-weights that slide at zero themselves, as they do on data of one dimension, are rounding of
    what they were, so that a share of their own norm says nothing.

    Returns
    -------
    Tensor
        (row, neuron, sample).
    """
    inputs = field.inputs if field.inputs.ndim == 3 else field.inputs[None]
    square, weight2 = inputs.square().sum(2), forward.parameters["W1"].square().sum(2)
    if "c1" in field.layout.shapes:
        square, weight2 = square + 1.0, weight2 + forward.parameters["c1"].square()
    everything = torch.stack(
        [each.square().flatten(1).sum(1) for each in forward.parameters.values()]
    ).sum(0)
    size = ZERO * weight2.sqrt() + VANISHING * everything.sqrt()[:, None]
    return size[:, :, None] * square.sqrt()[:, None]


def sliding_velocity(field: NetworkField, state: Tensor) -> Tensor:
    """Return -G with the slopes of sliding samples, (trajectory, parameter).

    The field itself takes the slope of one side of a kink, by the sign of rounding.
    """
    forward = field.forward(state)
    output_signal = field.output_signal(forward)
    forward = with_sliding_slopes(field, forward, output_signal)
    return field.descent(forward, output_signal, field.rule_signal)


def _with_several(
    places: Tensor,
    held: Tensor,
    gram: Tensor,
    velocity: Tensor,
    g: Tensor,
    slope: Tensor,
    leak: float,
) -> Tensor:
    """Return the slopes with those of neurons that are held at several samples.

    Parameters
    ----------
    places : Tensor
        Row and neuron of each, (place, 2).
    held : Tensor
        (row, neuron, sample), bool.
    gram : Tensor
        (1 or row, sample, sample).
    velocity : Tensor
        Of all samples without the drives of those that are held, (row, neuron, sample).
    g : Tensor
        Signals into the neurons, (row, neuron, sample).
    slope : Tensor
        (row, neuron, sample).
    leak : float
    """
    rows, neurons = places.unbind(1)
    own = held[rows, neurons]
    # The held samples of each first, as many columns as the neuron with most of them has.
    most = int(own.sum(1).max())
    order = own.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :most]
    member = own.gather(1, order)
    pairs = member[:, :, None] & member[:, None, :]
    one = torch.eye(most, dtype=gram.dtype, device=gram.device)
    source = rows if len(gram) > 1 else torch.zeros_like(rows)
    part = gram[source[:, None, None], order[:, :, None], order[:, None, :]]
    # In units of each sample's length: else short samples drown in what makes the matrix regular.
    length = torch.where(member, torch.diagonal(part, dim1=1, dim2=2).sqrt(), 1.0)
    part = part / (length[:, :, None] * length[:, None, :])
    matrix = torch.where(pairs, part, one) + 1e-12 * one
    rest = torch.where(member, velocity[rows, neurons].gather(1, order) / length, 0.0)
    strength = torch.where(member, -g[rows, neurons].gather(1, order) * length, 1.0)
    chosen = _Chosen.apply(matrix, rest, strength, member, leak)
    inside = member & (chosen > leak) & (chosen < 1.0)
    equations = torch.where(inside[:, :, None], matrix, one)
    drive = torch.linalg.solve(equations, torch.where(inside, rest, chosen * strength))
    found = slope[rows, neurons].scatter(1, order, drive / strength)
    result = slope.clone()
    result[rows, neurons] = torch.where(own, found, slope[rows, neurons])
    return result


class _Chosen(torch.autograd.Function):
    """The slopes without their derivatives: where they are inside their interval, samples slide.

    A function of torch, because inside its transforms (`torch.func.jvp`) only such a function
    sees numbers.
    """

    @staticmethod
    def forward(
        matrix: Tensor, rest: Tensor, strength: Tensor, member: Tensor, leak: float
    ) -> Tensor:
        """Return the slopes, (place, sample): of members in [leak, 1], `leak` elsewhere."""
        slopes = torch.linalg.solve(matrix, rest) / strength
        slopes = torch.where(member, slopes, leak)
        outside = ((slopes < leak - BEYOND) | (slopes > 1.0 + BEYOND)).any(1)
        for place in outside.nonzero().flatten().tolist():
            # Not all of them slide.
            own = member[place]
            found = _bounded_slopes(
                matrix[place][own][:, own].cpu().numpy(),
                rest[place][own].cpu().numpy(),
                strength[place][own].cpu().numpy(),
                leak,
            )
            slopes[place, own] = torch.from_numpy(found).to(slopes)
        return slopes.clamp(leak, 1.0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Say that the choice does not change with the state."""
        ctx.mark_non_differentiable(output)

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> None:
        """Return no derivative."""


def _bounded_slopes(
    gram: np.ndarray, rest: np.ndarray, strength: np.ndarray, leak: float
) -> np.ndarray:
    """Return the solution of the box problem of docs/hybrid.md as bounded least squares."""
    # Slopes do not depend on the unit of velocities; squares of large ones would overflow.
    unit = max(np.abs(rest).max(), np.abs(strength).max())
    rest, strength = rest / unit, np.maximum(strength / unit, np.finfo(np.float64).tiny)
    root = np.linalg.cholesky(gram)
    bounds = (leak * strength, strength)
    found = lsq_linear(root.T, np.linalg.solve(root, rest), bounds, method="bvls")
    return (found.x / strength).clip(leak, 1.0)

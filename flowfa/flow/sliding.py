"""The slopes of neurons that slide, for what is measured at a state.

While a neuron slides, its preactivation is zero up to rounding, and the sign of that rounding says
nothing: the slope in [alpha, 1] is the one that keeps it there (docs/theory/statements.md,
solution concept). The state alone determines it, with one hidden layer as here, with several as in
`deep_slopes`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from scipy.optimize import lsq_linear
from torch import Tensor

from flowfa.flow.deep_slopes import are_known, deep_slopes, reach_of_zero_in
from flowfa.flow.field import ForwardPass, NetworkField

ZERO = 1e-12
"""Below this share of ||w|| ||x|| a preactivation counts as zero."""
VANISHING = 1e-15
"""In-weights below this share of what they may have been count as zero."""
BEYOND = 1e-6
"""Slopes outside [alpha, 1] by at most this are rounding; farther out a sample does not slide."""


def with_sliding_slopes(
    field: NetworkField, forward: ForwardPass, output_signal: Tensor
) -> ForwardPass:
    """Return the forward pass with the slopes of sliding samples, where there are any.

    Parameters
    ----------
    field : NetworkField
        Others than those of leaky ReLUs with exact kinks are left as they are, and in deeper
        networks those with a rule without a form or a loss that is not compiled.
    forward : ForwardPass
    output_signal : Tensor
        What ``field.output_signal`` returns.
    """
    activation = field.activation
    if field.layout.layers > 2 and are_known(field):
        slopes = deep_slopes(field, forward)
        return forward if slopes is None else dataclasses.replace(forward, slopes=slopes)
    if field.layout.layers != 2 or not activation.piecewise_linear or activation.kinks == "none":
        return forward
    z = forward.preactivations[0]
    inputs = field.inputs if field.inputs.ndim == 3 else field.inputs[None]
    square = inputs.square().sum(2)
    if "c1" in field.layout.shapes:
        square = square + 1.0
    reach = _reach_of_zero(field, forward)
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
    norm2 = torch.diagonal(gram, dim1=1, dim2=2)[:, None]
    held_at_one = held & (held.sum(2, keepdim=True) == 1)
    slope = torch.where(held_at_one, (-velocity / (norm2 * g)).clamp(field.leak, 1.0), slope)
    several = (held.sum(2) > 1).nonzero()
    if len(several):
        slope = _with_several(several, held, gram, velocity, g, slope, field.leak)
    return dataclasses.replace(forward, slopes=(slope,))


def slopes_are_known(field: NetworkField) -> bool:
    """Return whether the state tells the slopes of sliding neurons.

    With one hidden layer it does; with several, rules need a form and the loss a compiled one.
    """
    if not field.activation.piecewise_linear:
        return False
    return field.layout.layers == 2 or are_known(field)


def reaches_of_zero(field: NetworkField, forward: ForwardPass) -> tuple[Tensor, ...]:
    """Return the size up to which preactivations count as zero, of each hidden layer.

    Returns
    -------
    tuple of Tensor
        Each (row, neuron, sample).
    """
    if field.layout.layers == 2:
        return (_reach_of_zero(field, forward),)
    return tuple(reach_of_zero_in(field, forward, layer) for layer in range(1, field.layout.layers))


def _reach_of_zero(field: NetworkField, forward: ForwardPass) -> Tensor:
    """Return the size up to which a preactivation of the only hidden layer counts as zero.

    In-weights can slide at zero themselves, as they do on data of one dimension. Then they are
    rounding of their former size, so that a share of their own norm says nothing. What they may
    have been is told by the largest neuron, and by C-1: a change of ||w||^2 / 2 is one of <v, b>,
    which is in the same units whatever the units of the data.

    Where features are in different units, ||w|| is that of the smallest feature's weights and ||x||
    that of the largest feature. So both are also taken with each feature in units of its own size,
    and the smaller product counts.

    Returns
    -------
    Tensor
        (row, neuron, sample).
    """
    inputs, weights = field.inputs, forward.parameters["W1"]
    inputs = inputs if inputs.ndim == 3 else inputs[None]
    if "c1" in field.layout.shapes:
        inputs = torch.cat([inputs, torch.ones_like(inputs[:, :, :1])], dim=2)
        weights = torch.cat([weights, forward.parameters["c1"][:, :, None]], dim=2)
    out_weights = forward.parameters["W2"]
    feedback = torch.cat(
        [
            group.rule.feedback(
                2, out_weights[group.start : group.stop], group.kept_at(forward.parameters)
            )
            for group in field.groups
        ]
    )
    moved = (forward.parameters["W2"].norm(dim=1) * feedback.norm(dim=2)).amax(1).sqrt()
    if field.rates:
        # C-8 has ||w||^2 and <v, b> each divided by the rate of its layer.
        moved = moved * (field.rates[0] / field.rates[1]) ** 0.5
    # Without overflow or underflow of squares, whatever the units.
    largest = inputs.abs().amax(1, keepdim=True)
    unit = torch.where(largest > 0.0, largest, 1.0)

    def product(weights: Tensor, inputs: Tensor, moved: Tensor) -> Tensor:
        own = weights.norm(dim=2)
        size = ZERO * own + VANISHING * (own.amax(1) + moved)[:, None]
        return size[:, :, None] * inputs.norm(dim=2)[:, None]

    return torch.minimum(
        product(weights, inputs, moved),
        product(weights * unit, inputs / unit, moved * unit.amax((1, 2))),
    )


def sliding_velocity(field: NetworkField, state: Tensor) -> Tensor:
    """Return the velocity with the slopes of sliding samples, (trajectory, parameter).

    The field itself takes the slope of one side of a kink, by the sign of rounding.
    """
    forward = field.forward(state)
    output_signal = field.output_signal(forward)
    forward = with_sliding_slopes(field, forward, output_signal)
    return field.velocity(state, forward, output_signal)


def _with_several(
    neurons_held: Tensor,
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
        Row and neuron of each neuron that is held at several samples, (held neuron, 2).
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
    rows, neurons = neurons_held.unbind(1)
    held_samples = held[rows, neurons]
    # The held samples of each neuron come first, in as many columns as the most that one has.
    most = int(held_samples.sum(1).max())
    order = held_samples.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :most]
    member = held_samples.gather(1, order)
    pairs = member[:, :, None] & member[:, None, :]
    identity = torch.eye(most, dtype=gram.dtype, device=gram.device)
    source = rows if len(gram) > 1 else torch.zeros_like(rows)
    block = gram[source[:, None, None], order[:, :, None], order[:, None, :]]
    # In units of each sample's length, because the ridge below would swamp short samples.
    length = torch.where(member, torch.diagonal(block, dim1=1, dim2=2).sqrt(), 1.0)
    block = block / (length[:, :, None] * length[:, None, :])
    matrix = torch.where(pairs, block, identity) + 1e-12 * identity
    scaled_velocity = torch.where(member, velocity[rows, neurons].gather(1, order) / length, 0.0)
    strength = torch.where(member, -g[rows, neurons].gather(1, order) * length, 1.0)
    chosen = _Chosen.apply(matrix, scaled_velocity, strength, member, leak)
    inside = member & (chosen > leak) & (chosen < 1.0)
    equations = torch.where(inside[:, :, None], matrix, identity)
    drive = _solve_each(equations, torch.where(inside, scaled_velocity, chosen * strength))
    sliding_slopes = slope[rows, neurons].scatter(1, order, drive / strength)
    result = slope.clone()
    result[rows, neurons] = torch.where(held_samples, sliding_slopes, slope[rows, neurons])
    return result


def _solve_each(matrices: Tensor, right: Tensor) -> Tensor:
    """Solve (system, n, n) for (system, n); what is singular has no finite solution.

    Each system is a neuron's: one that cannot be solved must not end the others.
    """
    return torch.linalg.solve_ex(matrices, right[:, :, None]).result.squeeze(2)


class _Chosen(torch.autograd.Function):
    """The slopes of held samples, without derivatives; samples slide where they are inside bounds.

    It is a function of torch, because inside torch's transforms (`torch.func.jvp`) only such a
    function sees numbers.
    """

    @staticmethod
    def forward(
        matrix: Tensor, velocity: Tensor, strength: Tensor, member: Tensor, leak: float
    ) -> Tensor:
        """Return the slopes, (held neuron, sample): of members in [leak, 1], `leak` elsewhere."""
        slopes = _solve_each(matrix, velocity) / strength
        slopes = torch.where(member, slopes, leak)
        outside = ((slopes < leak - BEYOND) | (slopes > 1.0 + BEYOND)).any(1)
        for index in outside.nonzero().flatten().tolist():
            # Not all held samples slide: those at a bound have its slope.
            members = member[index]
            bounded = _bounded_slopes(
                matrix[index][members][:, members].cpu().numpy(),
                velocity[index][members].cpu().numpy(),
                strength[index][members].cpu().numpy(),
                leak,
            )
            slopes[index, members] = torch.from_numpy(bounded).to(slopes)
        return slopes.clamp(leak, 1.0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Say that the choice does not change with the state."""
        ctx.mark_non_differentiable(output)

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> None:
        """Return no derivative."""


def _bounded_slopes(
    gram: np.ndarray, velocity: np.ndarray, strength: np.ndarray, leak: float
) -> np.ndarray:
    """Return the slopes that solve the box problem (docs/theory/hybrid.md) by least squares.

    They are NaN where something has overflowed.
    """
    if not all(np.isfinite(part).all() for part in (gram, velocity, strength)):
        return np.full_like(strength, np.nan)
    # Slopes do not depend on the unit of velocities; squares of large ones would overflow.
    unit = max(np.abs(velocity).max(), np.abs(strength).max())
    velocity, strength = velocity / unit, np.maximum(strength / unit, np.finfo(np.float64).tiny)
    root = np.linalg.cholesky(gram)
    bounds = (leak * strength, strength)
    solution = lsq_linear(root.T, np.linalg.solve(root, velocity), bounds, method="bvls")
    return (solution.x / strength).clip(leak, 1.0)

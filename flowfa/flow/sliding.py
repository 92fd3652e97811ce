"""The slopes of neurons that slide, for what is measured at a state.

While a neuron slides, its preactivation is zero up to rounding, and the sign of that rounding says
nothing: the slope in [alpha, 1] is the one that keeps it there (spec section 0). With one hidden
layer the state alone determines it.
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
BEYOND = 1e-6
"""Slopes this far outside [alpha, 1] are rounding; farther, and a sample does not slide."""


def with_sliding_slopes(
    field: NetworkField, forward: ForwardPass, output_signal: Tensor
) -> ForwardPass:
    """Return the forward pass with the slopes of sliding samples, where there are any.

    Parameters
    ----------
    field : NetworkField
        Others than those of one hidden layer with exact kinks are left as they are.
    forward : ForwardPass
    output_signal : Tensor
        What ``field.output_signal`` returns.
    """
    if field.layout.layers != 2 or field.smooth_kinks is not None or field.leak == 1.0:
        return forward
    z = forward.preactivations[0]
    inputs = field.inputs if field.inputs.ndim == 3 else field.inputs[None]
    square, weight2 = inputs.square().sum(2), forward.parameters["W1"].square().sum(2)
    if "c1" in field.layout.shapes:
        square, weight2 = square + 1.0, weight2 + forward.parameters["c1"].square()
    reach = ZERO * (weight2[:, :, None] * square[:, None]).sqrt()
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
    slopes = slope.clone()
    for row, neuron in (held.sum(2) > 1).nonzero().tolist():
        members = held[row, neuron].nonzero().flatten()
        slopes[row, neuron, members] = _slopes(
            gram[row if len(gram) > 1 else 0][members][:, members],
            velocity[row, neuron, members],
            -g[row, neuron, members],
            field.leak,
        )
    return dataclasses.replace(forward, slopes=(slopes,))


def sliding_velocity(field: NetworkField, state: Tensor) -> Tensor:
    """Return -G with the slopes of sliding samples, (trajectory, parameter).

    The field itself takes the slope of one side of a kink, by the sign of rounding.
    """
    forward = field.forward(state)
    output_signal = field.output_signal(forward)
    forward = with_sliding_slopes(field, forward, output_signal)
    return field.descent(forward, output_signal, field.rule_signal)


def _slopes(gram: Tensor, rest: Tensor, strength: Tensor, leak: float) -> Tensor:
    """Return the slopes of several attracting samples of one neuron.

    Which of them slide is found by `_Chosen`, and their slopes from linear equations, which have a
    derivative along the motion.

    Parameters
    ----------
    gram : Tensor
        Of the samples, (sample, sample).
    rest : Tensor
        Their velocities without their own drives, (sample,).
    strength : Tensor
        -g > 0, (sample,).
    leak : float
    """
    # In units of each sample's length: else short samples drown in what makes the matrix regular.
    length = torch.diagonal(gram).sqrt()
    rest, strength = rest / length, strength * length
    one = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    gram = gram / (length[:, None] * length) + 1e-12 * one
    chosen = _Chosen.apply(gram, rest, strength, leak)
    inside = (chosen > leak) & (chosen < 1.0)
    equations = torch.where(inside[:, None], gram, one)
    drive = torch.linalg.solve(equations, torch.where(inside, rest, chosen * strength))
    return drive / strength


class _Chosen(torch.autograd.Function):
    """The slopes without their derivatives: where they are inside their interval, samples slide.

    A function of torch, because inside its transforms (`torch.func.jvp`) only such a function
    sees numbers.
    """

    @staticmethod
    def forward(gram: Tensor, rest: Tensor, strength: Tensor, leak: float) -> Tensor:
        """Return the slopes, (sample,)."""
        found = _bounded_slopes(
            gram.cpu().numpy(), rest.cpu().numpy(), strength.cpu().numpy(), leak
        )
        return torch.from_numpy(found).to(gram)

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
    """Return the solution in [leak, 1] of the box problem of docs/hybrid.md; see `_slopes`."""
    root = np.linalg.cholesky(gram)
    y = np.linalg.solve(root.T, np.linalg.solve(root, rest))
    slopes = y / strength
    if ((slopes < leak - BEYOND) | (slopes > 1.0 + BEYOND)).any():
        # Not all of them slide: bounded least squares.
        bounds = (leak * strength, strength)
        y = lsq_linear(root.T, np.linalg.solve(root, rest), bounds, method="bvls").x
        slopes = y / strength
    return slopes.clip(leak, 1.0)

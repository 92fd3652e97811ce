"""The slopes of neurons that slide, for what is measured at a state.

While a neuron slides, its preactivation is zero up to rounding, and the sign of that rounding says
nothing: the slope in [alpha, 1] is the one that keeps it there (spec section 0). With one hidden
layer the state alone determines it.
"""

from __future__ import annotations

import dataclasses

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
    held = (z.abs() <= reach) & (g < 0.0)
    slope = torch.where(z > 0.0, z.new_tensor(1.0), z.new_tensor(field.leak))
    gram = inputs @ inputs.transpose(1, 2)
    if "c1" in field.layout.shapes:
        gram = gram + 1.0
    drive = torch.where(held, torch.zeros_like(g), slope * g)
    velocity = drive @ gram
    own = torch.diagonal(gram, dim1=1, dim2=2)[:, None]
    alone = held & (held.sum(2, keepdim=True) == 1)
    slope = torch.where(alone, (-velocity / (own * g)).clamp(field.leak, 1.0), slope)
    for row, neuron in (held.sum(2) > 1).nonzero().tolist():
        members = held[row, neuron].nonzero().flatten()
        K = gram[row if len(gram) > 1 else 0][members][:, members].cpu().numpy()
        found = _slopes(
            K,
            velocity[row, neuron, members].cpu().numpy(),
            -g[row, neuron, members].cpu().numpy(),
            field.leak,
        )
        slope[row, neuron, members] = torch.from_numpy(found).to(slope)
    return dataclasses.replace(forward, slopes=(slope,))


def _slopes(gram: np.ndarray, rest: np.ndarray, strength: np.ndarray, leak: float) -> np.ndarray:
    """Return the slopes of several attracting samples of one neuron.

    Parameters
    ----------
    gram : numpy.ndarray
        Of the samples, (sample, sample).
    rest : numpy.ndarray
        Their velocities without their own drives, (sample,).
    strength : numpy.ndarray
        -g > 0, (sample,).
    leak : float
    """
    root = np.linalg.cholesky(gram + 1e-12 * gram.max() * np.eye(len(gram)))
    y = np.linalg.solve(root.T, np.linalg.solve(root, rest))
    slopes = y / strength
    if ((slopes < leak - BEYOND) | (slopes > 1.0 + BEYOND)).any():
        # Not all of them slide: the box problem of docs/hybrid.md as bounded least squares.
        bounds = (leak * strength, strength)
        y = lsq_linear(root.T, np.linalg.solve(root, rest), bounds, method="bvls").x
        slopes = y / strength
    return slopes.clip(leak, 1.0)

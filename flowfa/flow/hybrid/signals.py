"""Residual signals as polynomials on a step, and the drives they make on each surface."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from flowfa.flow.hybrid.geometry import Surfaces
from flowfa.flow.hybrid.network import Feedback
from flowfa.flow.hybrid.neuron import OWN, SIGN

_ROOT = math.sqrt(0.6)
NODES = np.array([0.5 * (1.0 - _ROOT), 0.5, 0.5 * (1.0 + _ROOT)])
"""The three Gauss nodes on [0, 1]."""
TO_MONOMIAL = np.linalg.inv(np.vander(NODES, 3, increasing=True))
"""From values at the nodes to the coefficients of the quadratic through them."""
STEP_TIMES = np.append(NODES, 1.0)
"""Where a sweep looks at the path: at the nodes and at the end."""


def to_polynomial(at_nodes: Tensor) -> Tensor:
    """Return coefficients (trajectory, 3, ...) of quadratics given at the nodes."""
    flat = at_nodes.flatten(2)
    matrix = torch.tensor(TO_MONOMIAL, dtype=flat.dtype, device=flat.device)
    return (matrix @ flat).view(at_nodes.shape)


def values(polynomial: Tensor, tau: Tensor) -> Tensor:
    """Return values of quadratics (trajectory, 3, ...) at times (trajectory, time)."""
    powers = torch.stack([torch.ones_like(tau), tau, tau * tau], dim=2)
    return (powers @ polynomial.flatten(2)).view(*tau.shape, *polynomial.shape[2:])


def integrals(polynomial: Tensor, tau: Tensor) -> Tensor:
    """Return the integrals from 0 to tau of quadratics (trajectory, 3, ...)."""
    powers = torch.stack([tau, tau**2 / 2.0, tau**3 / 3.0], dim=2)
    return (powers @ polynomial.flatten(2)).view(*tau.shape, *polynomial.shape[2:])


def surface_signals(signals: Tensor, surfaces: Surfaces, leak: float) -> tuple[Tensor, Tensor]:
    """Return R_p = sum |c_k| r_k and L_p = (1 + alpha) sum_{c_k < 0} c_k r_k.

    Parameters
    ----------
    signals : Tensor
        r at the nodes, (trajectory, 3, sample, output).
    surfaces : Surfaces
    leak : float

    Returns
    -------
    tuple of Tensor
        Each (trajectory, 3, surface, output).
    """
    if not surfaces.merged:
        return signals, torch.zeros_like(signals)
    size, P = len(signals), surfaces.gram.shape[1]
    device = signals.device
    index = torch.tensor(surfaces.surface, device=device)[:, None, :, None].expand(
        size, 3, -1, signals.shape[3]
    )
    factor = torch.tensor(surfaces.factor, dtype=signals.dtype, device=device)[:, None, :, None]
    zeros = signals.new_zeros(size, 3, P, signals.shape[3])
    R = zeros.scatter_add(2, index, factor.abs() * signals)
    L = zeros.scatter_add(2, index, (1.0 + leak) * factor.clamp_max(0.0) * signals)
    return R, L


def feedback_at_nodes(feedback: Feedback, v_nodes: Tensor, signs: Tensor) -> Tensor:
    """Return b of each neuron at the nodes, (trajectory, 3, neuron, output).

    Parameters
    ----------
    feedback : Feedback
    v_nodes : Tensor
        v at the nodes, (trajectory, 3, neuron, output): the feedback of gd.
    signs : Tensor
        Signs of v at the start of the step, (trajectory, neuron, output).
    """
    kind = feedback.kind.to(v_nodes.device)[:, None, None, None]
    steady = torch.where(kind[:, 0] == SIGN, feedback.matrix * signs, feedback.matrix)
    return torch.where(kind == OWN, v_nodes, steady[:, None])


def drive_polynomials(feedback_nodes: Tensor, signal: Tensor) -> Tensor:
    """Return coefficients of b . R_p, (trajectory, neuron, 3, surface)."""
    at_nodes = feedback_nodes @ signal.transpose(2, 3)
    return to_polynomial(at_nodes).transpose(1, 2).contiguous()

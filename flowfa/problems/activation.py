"""The (leaky) ReLU and its slope (spec section 0)."""

from __future__ import annotations

import torch
from torch import Tensor


def leaky_relu(preactivation: Tensor, leak: float) -> Tensor:
    """Return sigma(z): z where z > 0, leak * z elsewhere; the shape is that of z."""
    return torch.nn.functional.leaky_relu(preactivation, leak)


def through_slope(signal: Tensor, preactivation: Tensor, leak: float) -> Tensor:
    """Return signal * sigma'(z), elementwise.

    At z = 0 any slope in [leak, 1] is a valid selection (spec section 0); this takes `leak`, as
    torch's autograd does.
    """
    # The backward kernel of leaky_relu is this very product in one memory pass.
    return torch.ops.aten.leaky_relu_backward(signal, preactivation, leak, False)

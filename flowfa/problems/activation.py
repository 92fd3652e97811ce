"""The (leaky) ReLU and its slope (spec section 0), exact or with a smoothed kink."""

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


def smooth_slope(preactivation: Tensor, leak: float, width: float) -> Tensor:
    """Return the smoothed slope s(z), blended from `leak` to 1 over |z| < `width`.

    s(z) = leak + (1 - leak) S((z / width + 1) / 2), S the quintic smoothstep 6 t^5 - 15 t^4 +
    10 t^3: twice differentiable, and that of the leaky ReLU from |z| = `width` on. With
    h = s(z) z forward and s(z) backward the one property that C-1 uses holds: slope * z = h.
    """
    u = (preactivation / width).clamp_(-1.0, 1.0)
    # S in u = 2 t - 1 is 1/2 + u (15 - 10 u^2 + 3 u^4) / 16, exactly 0 and 1 at the ends.
    square = u * u
    step = square.mul(3.0).sub_(10.0).mul_(square).add_(15.0).mul_(u).div_(16.0).add_(0.5)
    return step.mul_(1.0 - leak).add_(leak)


def smooth_derivative(slope: Tensor, preactivation: Tensor, leak: float, width: float) -> Tensor:
    """Return dh/dz = s(z) + z s'(z) of h = s(z) z, given s(z) as `slope`.

    It differs from s(z) by 15/16 (1 - leak) u (1 - u^2)^2, u = z / `width` within [-1, 1]: by
    3 / (5 sqrt(5)) (1 - leak) = 0.268 (1 - leak) at most, where z^2 = `width`^2 / 5.
    """
    u = (preactivation / width).clamp_(-1.0, 1.0)
    rest = u.square().neg_().add_(1.0)
    return slope + rest.mul_(rest).mul_(u).mul_(15.0 / 16.0 * (1.0 - leak))

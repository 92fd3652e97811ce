"""The leaky ReLU with its kink blended over a narrow width."""

from __future__ import annotations

from torch import Tensor

from flowfa.problems.activations.arguments import checked_half_width, checked_leak
from flowfa.problems.activations.base import Activation, activation


@activation("smoothed-leaky-relu")
class SmoothedLeakyReLU(Activation):
    """h = s(z) z with the slope s blended from `leak` to 1 where abs(z) < `smooth_kinks`.

    Rules go back by s(z) and not by dh/dz: s(z) z = h is the one property that C-1 uses. The
    gradient of Eq. (1) takes the derivative s(z) + z s'(z).

    Parameters
    ----------
    leak : float
        alpha in [0, 1).
    smooth_kinks : float
        Half the width in z over which the slope is blended, positive.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    degree = 1.0
    kinks = "smoothed"
    slope_is_derivative = False

    def __init__(self, leak: float = 0.1, smooth_kinks: float = 0.1) -> None:
        self.leak: float = checked_leak(leak)
        self.smooth_kinks = checked_half_width(smooth_kinks, self.leak)

    def value(self, preactivation: Tensor) -> Tensor:
        """Return s(z) z."""
        return self.slope(preactivation) * preactivation

    def slope(self, preactivation: Tensor) -> Tensor:
        """Return s(z)."""
        return smooth_slope(preactivation, self.leak, self.smooth_kinks)

    def derivative(self, preactivation: Tensor) -> Tensor:
        """Return s(z) + z s'(z)."""
        slope = self.slope(preactivation)
        return smooth_derivative(slope, preactivation, self.leak, self.smooth_kinks)

    def forward(self, preactivation: Tensor) -> tuple[Tensor, Tensor]:
        """Return s(z) z and s(z)."""
        slope = self.slope(preactivation)
        return slope * preactivation, slope


def smooth_slope(preactivation: Tensor, leak: float, width: float) -> Tensor:
    """Return the smoothed slope s(z), blended from `leak` to 1 over |z| < `width`.

    s(z) = leak + (1 - leak) S((z / width + 1) / 2), S the quintic smoothstep 6 t^5 - 15 t^4 +
    10 t^3: twice differentiable, and that of the leaky ReLU from |z| = `width` on. With
    h = s(z) z forward and s(z) backward the one property that C-1 uses holds: slope * z = h.
    """
    u = (preactivation / width).clamp(-1.0, 1.0)
    # S in u = 2 t - 1 is 1/2 + u (15 - 10 u^2 + 3 u^4) / 16, exactly 0 and 1 at the ends.
    square = u * u
    step = square.mul(3.0).sub(10.0).mul(square).add(15.0).mul(u).div(16.0).add(0.5)
    return step.mul(1.0 - leak).add(leak)


def smooth_derivative(slope: Tensor, preactivation: Tensor, leak: float, width: float) -> Tensor:
    """Return dh/dz = s(z) + z s'(z) of h = s(z) z, given s(z) as `slope`.

    It differs from s(z) by 15/16 (1 - leak) u (1 - u^2)^2, u = z / `width` within [-1, 1]: by
    3 / (5 sqrt(5)) (1 - leak) = 0.268 (1 - leak) at most, where z^2 = `width`^2 / 5.
    """
    u = (preactivation / width).clamp(-1.0, 1.0)
    bump = u.square().neg().add(1.0)
    return slope + bump.mul(bump).mul(u).mul(15.0 / 16.0 * (1.0 - leak))

"""The (leaky) ReLU with its exact kink."""

from __future__ import annotations

import torch
from torch import Tensor

from flowfa.problems.activations.arguments import checked_leak
from flowfa.problems.activations.base import Activation, Kinks, activation


@activation("leaky-relu")
class LeakyReLU(Activation):
    """sigma(z) = z for z > 0, leak * z elsewhere.

    At z = 0 any slope in [leak, 1] is a valid selection of the Filippov solution; `slope` takes
    the leak, as torch's autograd does.

    Parameters
    ----------
    leak : float
        alpha in [0, 1]: 0 is ReLU, 1 is linear.

    Raises
    ------
    InputError
        If `leak` is out of range.
    """

    degree = 1.0

    def __init__(self, leak: float = 0.1) -> None:
        self.leak: float = checked_leak(leak)
        self.kinks: Kinks = "none" if self.leak == 1.0 else "exact"

    def value(self, preactivation: Tensor) -> Tensor:
        """Return sigma(z)."""
        return leaky_relu(preactivation, self.leak)

    def slope(self, preactivation: Tensor) -> Tensor:
        """Return 1 where z > 0, the leak elsewhere."""
        one = preactivation.new_tensor(1.0)
        return torch.where(preactivation > 0.0, one, preactivation.new_tensor(self.leak))

    def through(self, signal: Tensor, preactivation: Tensor) -> Tensor:
        """Return signal * slope(z)."""
        # The backward kernel of leaky_relu is this very product in one memory pass.
        return torch.ops.aten.leaky_relu_backward(signal, preactivation, self.leak, False)


def leaky_relu(preactivation: Tensor, leak: float) -> Tensor:
    """Return z where z > 0, leak * z elsewhere; the shape is that of z."""
    return torch.nn.functional.leaky_relu(preactivation, leak)

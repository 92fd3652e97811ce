"""Small flows with closed forms, for testing solvers."""

from __future__ import annotations

import torch
from torch import Tensor


class ForcedOscillators:
    """Non-autonomous pairs with a closed form; trajectory i has frequency and damping of its own.

    y_1' = -a y_1 + w cos(w t) + a sin(w t), so y_1 = sin(w t) + (y_1(0)) exp(-a t);
    y_2' = y_2 cos(t), so y_2 = y_2(0) exp(sin t). A test with an autonomous field
    could not detect a wrong node.

    Parameters
    ----------
    frequency, damping : Tensor
        w and a, (trajectory,).
    """

    def __init__(self, frequency: Tensor, damping: Tensor) -> None:
        self.frequency = frequency
        self.damping = damping

    def __call__(self, time: Tensor, state: Tensor) -> Tensor:
        """Return the velocity, (trajectory, 2)."""
        w, a = self.frequency, self.damping
        first = -a * state[:, 0] + w * torch.cos(w * time) + a * torch.sin(w * time)
        return torch.stack([first, state[:, 1] * torch.cos(time)], dim=1)

    def select(self, rows: Tensor) -> ForcedOscillators:
        """Return the field of some rows."""
        return ForcedOscillators(self.frequency[rows], self.damping[rows])

    def switching(self, state: Tensor) -> Tensor | None:
        """Return None: the field is smooth."""
        return None

    def surface_name(self, surface: int) -> str:
        """Never called: there are no surfaces."""
        raise IndexError(surface)

    def exact(self, initial: Tensor, times: Tensor) -> Tensor:
        """Return the solution, (trajectory, time, 2)."""
        w, a = self.frequency[:, None], self.damping[:, None]
        first = torch.sin(w * times) + initial[:, :1] * torch.exp(-a * times)
        second = initial[:, 1:] * torch.exp(torch.sin(times))
        return torch.stack([first, second], dim=2)


class Explosions:
    """y' = y^2 with y(0) = 1/lifetime, which blows up at t = lifetime; y = 1/(lifetime - t)."""

    def __call__(self, time: Tensor, state: Tensor) -> Tensor:
        """Return the velocity, (trajectory, parameter)."""
        return state.square()

    def select(self, rows: Tensor) -> Explosions:
        """Return itself: all trajectories obey one equation."""
        return self

    def switching(self, state: Tensor) -> Tensor | None:
        """Return None: the field is smooth."""
        return None

    def surface_name(self, surface: int) -> str:
        """Never called: there are no surfaces."""
        raise IndexError(surface)


class Sliding:
    """y_1' = -sign(y_1) + 1/2 cos t, y_2' = 1: slides on y_1 = 0 as soon as it is reached."""

    def __call__(self, time: Tensor, state: Tensor) -> Tensor:
        """Return the velocity, (trajectory, 2)."""
        first = -state[:, 0].sign() + 0.5 * torch.cos(time)
        return torch.stack([first, torch.ones_like(first)], dim=1)

    def select(self, rows: Tensor) -> Sliding:
        """Return itself: all trajectories obey one equation."""
        return self

    def switching(self, state: Tensor) -> Tensor:
        """Return y_1, whose zero is the surface."""
        return state[:, :1]

    def surface_name(self, surface: int) -> str:
        """Return the name of the only surface."""
        return "the wall"

"""Step-size controllers: from the error of a trial step to the factor for the next."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flowfa.errors import InputError
from flowfa.registry import unknown_name

SAFETY = 0.9
LEAST, GREATEST = 0.2, 10.0


@dataclass(frozen=True)
class Controller:
    """h_new = h * safety * err^(-alpha) * err_previous^beta, clamped (Hairer & Wanner II.4).

    Parameters
    ----------
    proportional : float
        beta times the order of the error estimate: 0 gives an I controller, 0.4 a PI controller.
    """

    proportional: float

    def factor(self, error: Tensor, previous: Tensor, accepted: Tensor, order: int) -> Tensor:
        """Return the step factor of each trajectory.

        Parameters
        ----------
        error, previous : Tensor
            Scaled errors of this trial and of the last accepted step, (trajectory,); a step is
            good if the error is at most 1. NaN means that the trial overflowed.
        accepted : Tensor
            Whether the trial was accepted, (trajectory,).
        order : int
            q + 1, the power of h that the error estimate falls with.
        """
        tiny = torch.finfo(error.dtype).tiny
        bounded = torch.where(error.isfinite(), error, torch.inf).clamp_min(tiny)
        beta = self.proportional / order
        # Powers by exp and log: torch's pow rounds differently at the end of an array, and a step
        # must not depend on how many trajectories run beside it.
        log_error, log_previous = bounded.log(), previous.clamp_min(1e-4).log()
        pushed = SAFETY * torch.exp(beta * log_previous - (1.0 / order - 0.75 * beta) * log_error)
        # After a rejection the error alone counts: the previous one is that of another step size.
        plain = SAFETY * torch.exp(log_error / -order)
        return torch.where(accepted, pushed, plain.clamp_max(1.0)).clamp(LEAST, GREATEST)


CONTROLLERS = {"i": Controller(0.0), "pi": Controller(0.4)}


def controller(name: str) -> Controller:
    """Return the controller called ``i`` or ``pi``.

    Raises
    ------
    InputError
        If there is no such controller.
    """
    if name not in CONTROLLERS:
        raise unknown_name("controller", name, CONTROLLERS)
    return CONTROLLERS[name]


@dataclass(frozen=True)
class Tolerance:
    """The asked accuracy of a step: |error_i| <= atol + rtol |y_i| in the root mean square.

    Raises
    ------
    InputError
        If rtol is not positive, atol is negative, or rtol is below float64's resolution.
    """

    rtol: float
    atol: float

    def __post_init__(self) -> None:
        if not 0.0 < self.rtol < 1.0:
            raise InputError(f"`rtol` is {self.rtol}: expected a number between 0 and 1, say 1e-6")
        if not 0.0 <= self.atol < float("inf"):
            raise InputError(f"`atol` is {self.atol}: expected a number of at least 0, say 1e-9")
        if self.rtol < 1e-14:
            raise InputError(
                f"`rtol` is {self.rtol}, finer than float64 can resolve: ask for 1e-14 or more"
            )

    def scale(self, before: Tensor, after: Tensor) -> Tensor:
        """Return atol + rtol max(|before|, |after|), (trajectory, parameter)."""
        return torch.maximum(before.abs(), after.abs()).mul_(self.rtol).add_(self.atol)

    def norm(self, vector: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """Return the scaled root mean square of `vector`, (trajectory,)."""
        return (vector / self.scale(before, after)).square_().mean(1).sqrt_()

"""What A-2 and T-1 are about: e = Loss - Loss*, <grad Loss, G>, and their ratio along a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from theory_checks.between import least_with_jumps
from theory_checks.bounds import RESOLVED
from theory_checks.evidence import Course, Evidence
from theory_checks.networks import Networks
from theory_checks.rate import mean_loss, on_kink


@dataclass(frozen=True)
class Ratio:
    """<grad Loss, G> / e^gamma, by interval, (trajectory, interval, gamma).

    Attributes
    ----------
    least, remainder : Tensor
        Its least value, and how much lower it may be between the times.
    time : Tensor
        Of the lowest of the three times of the mesh.
    error : Tensor
        The largest difference of the two rungs at the times of the interval. A kink that is met a
        little earlier on one of them concerns its own interval alone.
    """

    least: Tensor
    remainder: Tensor
    time: Tensor
    error: Tensor


def excess_loss(networks: Networks) -> Tensor:
    """Return e = Loss - Loss*, (row, 1), Loss* being the infimum of the loss of one sample.

    That is the infimum of the training loss too where the network can approach it; where it cannot
    (squared loss without interpolation) e is too large by a constant, and mu too small.
    """
    return mean_loss(networks) - networks.field.loss.infimum


def descent_product(networks: Networks) -> Tensor:
    """Return <grad Loss, G>, (row, 1)."""
    return -networks.observe()["loss_rate"][:, None]


def ratio_to(gammas: tuple[float, ...]) -> Callable[[Networks], Tensor]:
    """Return the function <grad Loss, G> / e^gamma of networks, (row, gamma)."""

    def ratio(networks: Networks) -> Tensor:
        excess = excess_loss(networks)
        return torch.cat([descent_product(networks) / excess**gamma for gamma in gammas], 1)

    return ratio


def measured_ratio(evidence: Evidence, gammas: tuple[float, ...]) -> Ratio:
    """Measure <grad Loss, G> / e^gamma, at the times of the mesh and between them."""
    course = evidence.along(ratio_to(gammas))
    least, remainder = least_with_jumps(evidence.times, course.values, course.rates)
    values = nodes(course.values)
    index = values.argmin(0)
    when = nodes(evidence.times[None, :, None].expand_as(course.values)).gather(0, index[None])[0]
    error = nodes((course.values - course.coarser).abs()).amax(0)
    return Ratio(least, remainder, when, error)


def resolved(evidence: Evidence, excess: Course) -> Tensor:
    """Return up to which interval e is known, and slopes are, (trajectory, interval) bool.

    e is known while it is positive and the rungs differ by less than `RESOLVED` of it. What is not
    a number passes for known, so that it is not left out but found.
    """
    off = (excess.values - excess.coarser).abs()
    lost = (excess.values <= 0.0) | (off > RESOLVED * excess.values)
    lost = lost.squeeze(2) | on_kink(evidence)
    until = nodes(lost[:, :, None]).any(0).squeeze(2).cumsum(1) == 0
    return until & evidence.valid


def nodes(values: Tensor) -> Tensor:
    """Return values at start, midpoint and end of each interval, (3, trajectory, interval, item)."""
    return torch.stack([values[:, :-2:2], values[:, 1::2], values[:, 2::2]])

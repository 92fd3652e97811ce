"""What A-2 and T-1 are about: e = Loss - Loss*, <grad Loss, G>, and their ratio along a run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from theory_checks.evidence.course import Course
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.networks import Networks
from theory_checks.margins.between_times import least_with_jumps
from theory_checks.margins.bounds import LAST_DIGITS, RESOLVED
from theory_checks.statements.eq1_loss_rate import mean_loss, on_kink


@dataclass(frozen=True)
class Ratio:
    """<grad Loss, G> / e^gamma.

    Attributes
    ----------
    values, coarser : Tensor
        At the times of the mesh on two rungs, (trajectory, time, gamma).
    least, remainder : Tensor
        Its least value on each interval, and how much lower it may be between the times,
        (trajectory, interval, gamma).
    time : Tensor
        Of the lowest of the three times of each interval.
    error : Tensor
        The largest difference of the rungs at the times of each interval. A kink that is met a
        little earlier on one of them concerns its own interval alone.
    """

    values: Tensor
    coarser: Tensor
    least: Tensor
    remainder: Tensor
    time: Tensor
    error: Tensor


@dataclass(frozen=True)
class Measured:
    """e and <grad Loss, G> along the trajectories.

    Attributes
    ----------
    times : Tensor
        The mesh.
    course : Course
        Of both, (trajectory, time, 2).
    resolved : Tensor
        Up to which interval e is known, and slopes are, (trajectory, interval) bool. e is known
        while it is positive and the rungs differ by less than `RESOLVED` of it. What is not a
        number counts as known, so that it shows in the verdict instead of being left out.
    """

    times: Tensor
    course: Course
    resolved: Tensor

    @property
    def excess(self) -> Course:
        """Return e."""
        return self._part(0)

    @property
    def product(self) -> Course:
        """Return <grad Loss, G>."""
        return self._part(1)

    def _part(self, column: int) -> Course:
        return Course(
            *(quantity[:, :, column : column + 1] for quantity in vars(self.course).values())
        )

    def ratio(self, gammas: tuple[float, ...]) -> Ratio:
        """Return <grad Loss, G> / e^gamma, at the times of the mesh and between them."""
        power = self.course.values.new_tensor(gammas)
        e, p = self.excess, self.product
        values = p.values / e.values**power
        coarser = p.coarser / e.coarser**power
        rates = p.rates / e.values**power - power * values * e.rates / e.values
        least, remainder = least_with_jumps(self.times, values, rates)
        # A burst was at least as high as if it had lasted all the interval.
        length = (self.times[2::2] - self.times[:-2:2])[:, None]
        remainder = remainder + self.unseen / length / nodes(e.values**power).amin(0)
        three = nodes(values)
        when = nodes(self.times[None, :, None].expand_as(values))
        when = when.gather(0, three.argmin(0)[None])[0]
        error = nodes((values - coarser).abs()).amax(0)
        return Ratio(values, coarser, least, remainder, when, error)

    @cached_property
    def unseen(self) -> Tensor:
        """Return by how much e moved beyond the integral of its rate, (trajectory, interval, 1).

        Beyond what Simpson's rule may be wrong by where the rate is linear but for one jump, and
        beyond the error of e: what is left was a burst that passed between the times.
        """
        e, rate = nodes(self.excess.values), nodes(self.excess.rates)
        length = (self.times[2::2] - self.times[:-2:2])[:, None]
        simpson = length * (rate[0] + 4.0 * rate[1] + rate[2]) / 6.0
        jump = length * (rate[0] - 2.0 * rate[1] + rate[2]).abs() / 3.0
        coarser = nodes(self.excess.coarser)
        error = (e[2] - e[0] - coarser[2] + coarser[0]).abs() + LAST_DIGITS * e.abs().amax(0)
        return ((e[2] - e[0] - simpson).abs() - jump - error).clamp_min(0.0)

    @property
    def known(self) -> Tensor:
        """Return which times of the mesh are in a resolved interval, (trajectory, time) bool."""
        times_known = torch.zeros_like(self.course.values[:, :, 0], dtype=torch.bool)
        times_known[:, 1::2] = self.resolved
        times_known[:, 2::2] = self.resolved
        times_known[:, :-2:2] |= self.resolved
        return times_known


def excess_loss(networks: Networks) -> Tensor:
    """Return e = Loss - Loss*, (row, 1), Loss* being the infimum of the loss of one sample.

    That is the infimum of the training loss too where the network can approach it; where it cannot
    (squared loss without interpolation) e is too large by a constant, and mu too small.
    """
    return mean_loss(networks) - networks.field.loss.infimum


def descent_product(networks: Networks) -> Tensor:
    """Return <grad Loss, G>, (row, 1)."""
    return networks.descent_product()[:, None]


def excess_and_product(networks: Networks) -> Tensor:
    """Return e and <grad Loss, G>, (row, 2)."""
    return torch.cat([excess_loss(networks), descent_product(networks)], 1)


def measured(evidence: Evidence) -> Measured:
    """Measure e and <grad Loss, G> along the run, once for all gammas."""
    course = evidence.along(excess_and_product)
    off = (course.values - course.coarser).abs()[:, :, 0]
    excess = course.values[:, :, 0]
    lost = (excess <= 0.0) | (off > RESOLVED * excess) | on_kink(evidence)
    resolved = nodes(lost[:, :, None]).any(0).squeeze(2).cumsum(1) == 0
    return Measured(evidence.times, course, resolved & evidence.valid)


def nodes(values: Tensor) -> Tensor:
    """Return start, midpoint and end of each interval, (3, trajectory, interval, item)."""
    return torch.stack([values[:, :-2:2], values[:, 1::2], values[:, 2::2]])

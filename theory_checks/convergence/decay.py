"""T-1: alignment dominance bounds the loss (Theorem 5.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from flowfa.errors import InputError
from theory_checks.base import Control, register
from theory_checks.between import Extremes, extremes
from theory_checks.bounds import ROUNDING, nonstrict
from theory_checks.controls import broken
from theory_checks.convergence.measured import (
    excess_loss,
    measured_ratio,
    nodes,
    ratio_to,
    resolved,
)
from theory_checks.evidence import Evidence
from theory_checks.measurement import Hypothesis, Item, Measurement

GAMMAS = (0.5, 1.0, 2.0)
NETWORK = (Item(),)
UNIT = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)


@register
class Decay:
    """e(t) <= e0 [1 + (gamma-1) mu e0^(gamma-1) t]_+^(-1/(gamma-1)), e0 exp(-mu t) for gamma = 1.

    By default gamma is 1/2, 1 and 2 in turn, and mu at time t is what the run itself had up to then,
    the least <grad Loss, G> / e^gamma, as far as that is positive. The left side of the theorem is
    then the loss of the motion, the right side gradient and update of the flow it claims to be.

    Parameters
    ----------
    gamma, mu : float, optional
        Fixed ones, to be given together.

    Raises
    ------
    InputError
        If only one of them is given, or one is not positive.
    """

    spec: ClassVar[str] = "T-1"
    statement: ClassVar[str] = (
        "Loss - Loss* is below the bound of (gamma, mu)-dominance, gamma = 1/2, 1 and 2, with the "
        "mu of the run up to each time"
    )
    reading: ClassVar[str] = (
        "margin: log of bound / (Loss - Loss*), plus twice the error (at t = 0 they are equal)"
    )

    def __init__(self, gamma: float | None = None, mu: float | None = None) -> None:
        if (gamma is None) != (mu is None):
            raise InputError(f"T-1 got gamma = {gamma} and mu = {mu}: give both or neither")
        if gamma is not None and mu is not None and not (gamma > 0.0 and mu > 0.0):
            raise InputError(f"T-1 got gamma = {gamma} and mu = {mu}: both have to be positive")
        self.gammas = GAMMAS if gamma is None else (gamma,)
        self.mu = mu

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume a loss above its infimum, known to some digits, and dominance at first."""
        excess = evidence.along(excess_loss)
        found = [
            Hypothesis(
                "excess",
                "Loss - Loss* > 0 at t = 0",
                _positive(excess.values[:, 0, 0]),
            ),
            Hypothesis(
                "resolved",
                "Loss - Loss* exceeds the integrator's error at first",
                (~resolved(evidence, excess)[:, 0]).double(),
            ),
        ]
        if self.mu is None:
            # Its sign is the same for every gamma.
            least = measured_ratio(evidence, (1.0,)).least[:, 0, 0]
            found.append(
                Hypothesis(
                    "dominance", "<grad Loss, G> > 0 at first, so that mu > 0", _positive(least)
                )
            )
        return tuple(found)

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return the room below the bound, for each gamma."""
        return tuple(self._bounded(evidence, gamma) for gamma in self.gammas)

    def _bounded(self, evidence: Evidence, gamma: float) -> Measurement:
        """Measure log(bound / e) >= 0 on each interval, with the mu up to its end."""
        excess = evidence.along(excess_loss)
        known = resolved(evidence, excess)
        mu, lower, coarser = self._rates(evidence, gamma)
        start, start_coarser = excess.values[:, :1], excess.coarser[:, :1]
        times = nodes(evidence.times[None, :, None])
        length = times[2] - times[0]
        bound = log_bound(start, gamma, mu, times)
        logs = nodes(excess.values.log())
        values = bound - logs
        rates = _bound_rate(start, gamma, mu, times) - nodes(excess.rates / excess.values)
        off = (logs - nodes(excess.coarser.log())).abs()
        off = off + (bound - log_bound(start_coarser, gamma, coarser, times)).abs()
        error = off.amax(0).cummax(1).values
        error = error + ROUNDING * (1.0 + bound.abs() + logs.abs()).amax(0)
        found = _each_interval(values, rates * length)
        # Were mu as low as it may be between the times, the bound would be higher by this.
        missed = (log_bound(start, gamma, lower, times[2:]) - bound[2:])[0].clamp_min(0.0)
        found = Extremes(
            found.least,
            found.greatest,
            times[0] + length * found.least_time,
            times[0] + length * found.greatest_time,
            found.remainder + missed,
        )
        flat = values.permute(1, 2, 0, 3).flatten(0, 1)
        shape = found.least.shape
        margin, uncertainty, remainder = nonstrict(
            flat,
            Extremes(*(part.flatten(0, 1)[:, None] for part in vars(found).values())),
            error.flatten(0, 1)[:, None].expand_as(flat),
            torch.ones_like(flat),
        )
        valid = known[:, :, None] & ~(mu <= 0.0)
        # A lower mu anywhere before may be what leaves a verdict open.
        vague = (missed > 0.1 * (found.remainder + found.least.abs())) | (found.remainder > missed)
        return Measurement(
            margin.reshape(shape),
            uncertainty.reshape(shape),
            remainder.reshape(shape),
            found.least_time,
            valid,
            NETWORK,
            note=f"gamma = {gamma:g}",
            coarse=(vague & valid).squeeze(2),
        )

    def _rates(self, evidence: Evidence, gamma: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return mu up to the end of each interval, its lower bound, and mu on the coarser rung."""
        if self.mu is not None:
            fixed = torch.full((len(evidence), len(evidence.times) // 2, 1), self.mu)
            fixed = fixed.to(evidence.initial.dtype)
            return fixed, fixed, fixed
        ratio = measured_ratio(evidence, (gamma,))
        mu = ratio.least.cummin(1).values
        lower = (ratio.least - ratio.remainder).cummin(1).values.clamp_min(0.0)
        course = evidence.along(ratio_to((gamma,)))
        shift = nodes(course.coarser).amin(0).cummin(1).values
        shift = shift - nodes(course.values).amin(0).cummin(1).values
        return mu, torch.minimum(lower, mu), mu + shift

    def controls(self) -> Mapping[str, Control]:
        """Return flows whose motion is not -G."""
        return {
            "gd with a slow clock": broken("gd", "slowed"),
            "fa with a slow clock": broken("fa", "slowed"),
            "weights that leave the feedback": broken("fa", "against feedback", widths=(4,)),
        }


def log_bound(start: Tensor, gamma: float, mu: Tensor, time: Tensor) -> Tensor:
    """Return the logarithm of T-1's bound on e(t).

    Parameters
    ----------
    start : Tensor
        e0.
    gamma : float
    mu, time : Tensor
        All broadcast.

    Returns
    -------
    Tensor
        Where the bound is zero (gamma < 1), the logarithm of the smallest normal number.
    """
    if gamma == 1.0:
        return start.log() - mu * time
    factor = 1.0 + (gamma - 1.0) * mu * start ** (gamma - 1.0) * time
    tiny = torch.finfo(factor.dtype).tiny
    found = start.log() - factor.clamp_min(tiny).log() / (gamma - 1.0)
    return torch.where(factor <= 0.0, torch.full_like(found, tiny).log(), found)


def _bound_rate(start: Tensor, gamma: float, mu: Tensor, time: Tensor) -> Tensor:
    """Return the derivative of `log_bound` by time."""
    growth = mu * start ** (gamma - 1.0)
    factor = 1.0 + (gamma - 1.0) * growth * time
    return torch.where(factor <= 0.0, 0.0, -growth / factor)


def _each_interval(values: Tensor, rates: Tensor) -> Extremes:
    """Return the extremes where every interval has a bound of its own.

    Parameters
    ----------
    values, rates : Tensor
        At start, midpoint and end, (3, trajectory, interval, 1), rates by share of the interval.
    """
    trajectories, intervals = values.shape[1:3]

    def flat(each: Tensor) -> Tensor:
        return each.permute(1, 2, 0, 3).flatten(0, 1)

    found = extremes(UNIT, flat(values), flat(rates))
    parts = (part.reshape(trajectories, intervals, 1) for part in vars(found).values())
    return Extremes(*parts)


def _positive(values: Tensor) -> Tensor:
    """Return by how much values are not positive; what is not a number is left to the check."""
    tiny = torch.finfo(values.dtype).tiny
    return torch.where(values <= 0.0, (-values).clamp_min(tiny), 0.0)

"""T-1: alignment dominance bounds the loss (Theorem 5.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from flowfa.errors import InputError
from theory_checks.controls import broken
from theory_checks.controls.control import Control
from theory_checks.evidence.evidence import Evidence
from theory_checks.margins.between_times import extremes
from theory_checks.margins.bounds import RESOLVED, ROUNDING, nonstrict
from theory_checks.margins.measurement import Hypothesis, Item, Measurement
from theory_checks.statements.convergence.excess_loss import Measured, measured, nodes
from theory_checks.statements.statement import register

GAMMAS = (0.5, 1.0, 2.0)
NETWORK = (Item(),)
UNIT = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)


@dataclass(frozen=True)
class RunningMu:
    """The mu of a run up to the end of each interval, (trajectory, interval, 1).

    Attributes
    ----------
    value : Tensor
    lower : Tensor
        What it may be instead, for what lies between the times.
    coarser : Tensor
        On the coarser rung.
    hidden : Tensor
        How much of the change of log e in the interval kinks and bursts may hide of the ratio: as
        much as the ratio differs among the three times, and what e did beyond its rate there.
    open : Tensor
        Where the ratio may be lower than mu, bool.
    """

    value: Tensor
    lower: Tensor
    coarser: Tensor
    hidden: Tensor
    open: Tensor


@register
class Decay:
    """e(t) <= e0 [1 + (gamma-1) mu e0^(gamma-1) t]_+^(-1/(gamma-1)), e0 exp(-mu t) for gamma = 1.

    By default gamma is 1/2, 1 and 2 in turn, and mu at time t is what the run itself had up to
    then, the least <grad Loss, G> / e^gamma, as far as that is positive. The left side of the
    theorem is then the loss of the motion, the right side gradient and update of the flow it claims
    to be.

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
        along = measured(evidence)
        hypotheses = [
            _positive("excess", "Loss - Loss* > 0 at t = 0", along.excess.values[:, 0, 0]),
            Hypothesis.of(
                "resolved",
                "Loss - Loss* exceeds the integrator's error at first",
                along.resolved[:, 0],
            ),
        ]
        if self.mu is None:
            # Its sign is the same for every gamma.
            least = along.ratio((1.0,)).least[:, 0, 0]
            hypotheses.append(
                _positive("dominance", "<grad Loss, G> > 0 at first, so that mu > 0", least)
            )
        return tuple(hypotheses)

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return the room below the bound, for each gamma."""
        along = measured(evidence)
        return tuple(self._bounded(along, gamma) for gamma in self.gammas)

    def _bounded(self, along: Measured, gamma: float) -> Measurement:
        """Measure log(bound / e) >= 0 on each interval, with the mu up to its end."""
        excess, mu = along.excess, self._dominance(along, gamma)
        start, times = excess.values[:, :1], nodes(along.times[None, :, None])
        length = times[2] - times[0]
        bound, logs = log_bound(start, gamma, mu.value, times), nodes(excess.values.log())
        room = bound - logs
        rates = _bound_rate(start, gamma, mu.value, times) - nodes(excess.rates / excess.values)
        off = (logs - nodes(excess.coarser.log())).abs()
        off = off + (bound - log_bound(excess.coarser[:, :1], gamma, mu.coarser, times)).abs()
        error = off.amax(0).cummax(1).values
        error = error + ROUNDING * (1.0 + bound.abs() + logs.abs()).amax(0)
        # Were mu as low as it may be between the times, the bound would be higher by this.
        missed = (log_bound(start, gamma, mu.lower, times[2:]) - bound[2:])[0].clamp_min(0.0)
        flat = room.permute(1, 2, 0, 3).flatten(0, 1)
        between = extremes(UNIT, flat, (length * rates).permute(1, 2, 0, 3).flatten(0, 1))
        curvature = between.remainder.reshape(missed.shape)
        margin, uncertainty, remainder = (
            part.reshape(missed.shape)
            for part in nonstrict(
                flat,
                replace(between, remainder=between.remainder + missed.flatten(0, 1)[:, None]),
                error.flatten(0, 1)[:, None].expand_as(flat),
                torch.ones_like(flat),
            )
        )
        # A violation has to be more than kinks and bursts between the times can hide of the ratio.
        remainder = remainder + torch.where(margin > uncertainty, 0.0, mu.hidden.cumsum(1))
        valid = along.resolved[:, :, None] & ~(mu.value <= 0.0)
        average = torch.where(valid, mu.hidden, 0.0).sum(1, keepdim=True)
        average = average / valid.sum(1, keepdim=True)
        return Measurement(
            margin,
            uncertainty,
            remainder,
            times[0] + length * between.least_time.reshape(missed.shape),
            valid,
            NETWORK,
            note=f"gamma = {gamma:g}",
            coarse=(valid & (mu.open | (curvature > missed) | (mu.hidden > average))).squeeze(2),
        )

    def _dominance(self, along: Measured, gamma: float) -> RunningMu:
        """Return the fixed mu, or that of the run up to the end of each interval."""
        ratio = along.ratio((gamma,))
        if self.mu is not None:
            fixed, nothing = torch.full_like(ratio.least, self.mu), torch.zeros_like(ratio.least)
            return RunningMu(fixed, fixed, fixed, nothing, torch.zeros_like(nothing).bool())
        value = ratio.least.cummin(1).values
        lowest = ratio.least - ratio.remainder
        lower = torch.minimum(lowest.cummin(1).values.clamp_min(0.0), value)
        shift = nodes(ratio.coarser).amin(0).cummin(1).values
        shift = shift - nodes(ratio.values).amin(0).cummin(1).values
        # What moves log e is the ratio for gamma = 1.
        speeds = nodes(along.ratio((1.0,)).values)
        length = (along.times[2::2] - along.times[:-2:2])[:, None]
        hidden = length * (speeds.amax(0) - speeds.amin(0))
        hidden = hidden + along.unseen / nodes(along.excess.values).amin(0)
        return RunningMu(value, lower, value + shift, hidden, lowest < (1.0 - RESOLVED) * value)

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
    logarithm = start.log() - factor.clamp_min(tiny).log() / (gamma - 1.0)
    return torch.where(factor <= 0.0, torch.full_like(logarithm, tiny).log(), logarithm)


def _bound_rate(start: Tensor, gamma: float, mu: Tensor, time: Tensor) -> Tensor:
    """Return the derivative of `log_bound` by time."""
    growth = mu * start ** (gamma - 1.0)
    factor = 1.0 + (gamma - 1.0) * growth * time
    return torch.where(factor <= 0.0, 0.0, -growth / factor)


def _positive(name: str, text: str, values: Tensor) -> Hypothesis:
    """Return the hypothesis that values are positive; what is not a number is left to `measure`."""
    missed = values <= 0.0
    return Hypothesis(name, text, ~missed, torch.where(missed, 0.0 - values, 0.0))

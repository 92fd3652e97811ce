"""P-2, Proposition 5.7 as corrected: alignment dominance with an explicit constant.

With v_j = E_k[l_k s_jk u_k], l_k the loss of sample k and s_jk the slope of neuron j there,

    <grad Loss, G> = sum_j (a_j b_j ||v_j||^2 + <w_j, v_j>^2),   ||v_j|| >= alpha ghat Loss,

for any slopes in [alpha, 1], and a_j b_j >= kappa_j by C-1: so it is at least mu Loss^2 with
mu = alpha^2 ghat^2 kappa. Under gd and signfa a_j b_j is never negative, so that neurons with
kappa_j < 0 do no harm and kappa = sum_j max(kappa_j, 0); under fa and adafa they may.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from flowfa.datasets import Certificate
from flowfa.flow.base import Field
from flowfa.flow.field import NetworkField
from flowfa.problems import Problem
from theory_checks.controls.control import Control
from theory_checks.controls.fields import WeightDecay, opposed
from theory_checks.controls.tight import Slower, tight_flow
from theory_checks.evidence.course import Course
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.from_flow import evidence_of_flow
from theory_checks.evidence.networks import Networks
from theory_checks.margins.between_times import extremes
from theory_checks.margins.bounds import ROUNDING
from theory_checks.margins.measurement import Estimate, Hypothesis, Item, Measurement
from theory_checks.statements.activations import leaky_relu
from theory_checks.statements.alignment.products import half_squares, products
from theory_checks.statements.data.geometry import (
    bound_of,
    certified,
    claimed,
    lambda_of,
    paper_bound_of,
)
from theory_checks.statements.eq1_loss_rate import ON_A_KINK, eq1_factors, mean_loss
from theory_checks.statements.motion import no_decay, unit_rates
from theory_checks.statements.statement import register

RULES = ("gd", "fa", "adafa", "signfa")
FIXED = ("fa", "adafa", "dfa")
"""Rules whose a_j b_j can be negative."""
NETWORK = (Item(),)


@register
class ExplicitRate:
    """<grad, G> >= mu Loss^2 and Loss <= 1/(1/Loss(0) + mu t), mu = alpha^2 ghat^2 kappa."""

    spec: ClassVar[str] = "P-2"
    statement: ClassVar[str] = (
        "<grad Loss, G> >= mu Loss^2 and Loss(t) <= 1/(1/Loss(0) + mu t), mu = alpha^2 ghat^2 kappa"
    )
    reading: ClassVar[str] = (
        "margin: <grad, G>/Loss^2 - mu at a time, or what 1/Loss gained per time, over a step of "
        "the mesh or since 0, minus mu"
    )

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume what the proposition does, and exact kinks, which its slopes need."""
        problem, layout = evidence.flow.problem, evidence.flow.layout
        fixed = evidence.under(*FIXED)
        kappas = kappa_of_neurons(evidence)
        margin = claimed(evidence, lambda certificate: certificate.margin, certified)
        lowest = kappas.amin(1)

        def condition(name: str, text: str, met: bool) -> Hypothesis:
            return Hypothesis.of(name, text, evidence.for_all(met))

        return (
            condition("one-hidden-layer", "there is one hidden layer", layout.layers == 2),
            condition("scalar-output", "there is one output", layout.sizes[-1] == 1),
            condition("no-bias", "no layer has a bias", not any(problem.has_bias)),
            condition(
                "exponential-loss", "the loss is exponential", problem.loss.name == "exponential"
            ),
            leaky_relu(evidence),
            condition("leak-positive", "the leak is positive", bool(problem.leak)),
            no_decay(evidence),
            unit_rates(evidence),
            condition("exact-kinks", "the kinks are not smoothed", not problem.smooth_kinks),
            Hypothesis.of("rule", f"the rule is one of {', '.join(RULES)}", evidence.under(*RULES)),
            Hypothesis.of("separable", "the data are linearly separable (ghat > 0)", margin > 0.0),
            Hypothesis.measured(
                "kappa-nonnegative",
                "kappa_j >= 0 for every neuron (fa, adafa)",
                torch.where(fixed, -lowest, torch.zeros_like(lowest)),
            ),
            Hypothesis.positive("kappa-positive", "kappa > 0", total_kappa(kappas, fixed)),
        )

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return the room of the dominance, and of the loss, for ghat^2 and its lower bounds."""
        fixed = evidence.under(*FIXED)
        kappa = total_kappa(kappa_of_neurons(evidence), fixed)
        factor = slope_factor(leak_of(evidence.flow.problem)) * kappa
        gains = (_at_times(evidence), *_of_inverse_loss(evidence))
        result = []
        for number, words in CONSTANTS:
            square = claimed(evidence, number, certified)
            applies = square > 0.0 if words else torch.ones(len(evidence), dtype=torch.bool)
            # Another constant shifts the margins and changes nothing else.
            shift = (factor * torch.where(applies, square, 0.0))[:, None, None]
            result += [
                replace(
                    gain,
                    margin=gain.margin - shift,
                    valid=gain.valid & applies[:, None, None],
                    note=gain.note + words,
                )
                for gain in gains
            ]
        return tuple(result)

    def estimates(self, evidence: Evidence) -> tuple[Estimate, ...]:
        """Return mu of the trajectories that respect all hypotheses."""
        applies = torch.stack(
            [hypothesis.respected for hypothesis in self.hypotheses(evidence)]
        ).all(0)
        mu = torch.full((len(evidence),), torch.nan, dtype=torch.float64)
        if applies.any():
            fixed = evidence.under(*FIXED)
            kappa = total_kappa(kappa_of_neurons(evidence), fixed)
            square = claimed(evidence, _square_of_margin, certified)
            mu = torch.where(
                applies, slope_factor(leak_of(evidence.flow.problem)) * kappa * square, mu
            )
        text = "alpha^2 ghat^2 kappa, of the bound 1/(1/Loss(0) + mu t)"
        return (Estimate.of(evidence, "mu", text, mu, 0.0 * mu, torch.full_like(mu, torch.nan)),)

    def controls(self) -> Mapping[str, Control]:
        """Return flows that learn too slowly, or the wrong way."""

        def slower(field: NetworkField) -> Field:
            return Slower(field, 0.9)

        def moved(rule: str, t_end: float, motion: Callable[[NetworkField], Field]) -> Control:
            def control() -> Evidence:
                flow = tight_flow(rule)
                moving = motion(flow.field)
                return evidence_of_flow(flow, t_end=t_end, motion=moving, rtol=1e-7, saves=9)

            return control

        return {
            "feedback of the other sign": moved("fa", 1.0, opposed),
            "nine tenths of the speed": moved("fa", 0.2, slower),
            "nine tenths of the speed under signfa": moved("signfa", 0.2, slower),
            "nine tenths of the speed under gd": moved("gd", 0.2, slower),
            "weight decay": moved("adafa", 1.0, lambda field: WeightDecay(field, 0.5)),
        }


def _square_of_margin(certificate: Certificate) -> float | None:
    return None if certificate.margin is None else certificate.margin**2


CONSTANTS = (
    (_square_of_margin, ""),
    (lambda_of, ", lambda of D-1 for ghat^2"),
    (bound_of, ", the weaker bound of D-2 for ghat^2"),
    (paper_bound_of, ", the bound of D-2 for ghat^2"),
)
"""What stands for ghat^2 in mu, and the note; all but the first only where they are positive."""


def leak_of(problem: Problem) -> float:
    """Return the leak; 0, which promises nothing, for an activation that has none."""
    return problem.leak or 0.0


def slope_factor(leak: float) -> float:
    """Return alpha^2: ||v_j||^2 >= (alpha ghat Loss)^2."""
    return leak**2


def kappa_of_neurons(evidence: Evidence) -> Tensor:
    """Return kappa_j of the last hidden layer, (trajectory, neuron).

    a_j b_j - 1/2 ||w_j||^2 at time 0, and a_j^2 - ||w_j||^2 under gd, whose law is that of C-1.
    """
    start, layer = evidence.at_start(), evidence.flow.layout.layers - 1
    gradient = evidence.under("gd")[:, None]
    half = half_squares(start, layer)
    return products(start, layer) - torch.where(gradient, 2.0 * half, half)


def total_kappa(kappas: Tensor, fixed: Tensor) -> Tensor:
    """Return kappa of each trajectory: the sum, of positive ones only where b is not fixed.

    It is never less than zero: the weakest claim left is then that the loss does not rise.
    """
    return torch.where(fixed, kappas.sum(1).clamp_min(0.0), kappas.clamp_min(0.0).sum(1))


def activation_pattern(networks: Networks) -> Tensor:
    """Return a mark of the network's activation pattern, (row, 1)."""
    z = torch.cat([z.flatten(1) for z in networks.field.forward(networks.state).preactivations], 1)
    sign = torch.where(z.abs() < ON_A_KINK * z.abs().amax(1, keepdim=True), 0.0 * z, z.sign())
    # Sines of whole numbers have no rational relation: other patterns have other sums.
    return (sign * torch.arange(1.0, z.shape[1] + 1.0, dtype=z.dtype).sin()).sum(1, keepdim=True)


def dominance(factors: Tensor, loss: Tensor) -> Tensor:
    """Return <grad Loss, G>/Loss^2, (..., 1), from `eq1_factors` and `mean_loss`."""
    return -factors[..., :1] / loss.square()


def _at_times(evidence: Evidence) -> Measurement:
    """Measure <grad, G>/Loss^2 at the times of the mesh.

    It jumps where a preactivation changes its sign. Between the times the gain of 1/Loss, which
    does not, says how it was in the mean; times at which the two rungs are on different sides of a
    kink are left out.
    """
    value, coarser = (
        dominance(evidence.values(eq1_factors, rung), evidence.values(mean_loss, rung))
        for rung in (-1, -2)
    )
    mark, mark_of_coarser = (evidence.values(activation_pattern, rung) for rung in (-1, -2))
    together = (mark - mark_of_coarser).abs() < 1e-9
    reached = evidence.times <= evidence.reached[:, None]
    valid = together & reached[:, :, None]
    difference = (value - coarser).abs().masked_fill(~valid, 0.0)
    rounding = ROUNDING * value.abs().masked_fill(~valid, 0.0)
    return Measurement(
        value,
        (difference + rounding).cummax(1).values,
        torch.zeros_like(value),
        evidence.times[None, :, None].expand_as(value),
        valid,
        NETWORK,
        "at one time",
    )


def _of_inverse_loss(evidence: Evidence) -> tuple[Measurement, Measurement]:
    """Measure what 1/Loss gained per time: over each half interval, and since time 0."""
    loss = evidence.along(mean_loss)
    inverse, coarser = 1.0 / loss.values, 1.0 / loss.coarser
    rates = -loss.rates * inverse.square()
    times = evidence.times
    step = times.diff()[:, None]
    gained = inverse.diff(dim=1)
    off = (gained - coarser.diff(dim=1)).abs() + ROUNDING * inverse[:, 1:]
    during = Measurement(
        gained / step,
        off.cummax(1).values / step,
        torch.zeros_like(gained),
        times[1:, None].expand_as(gained),
        (times[1:] <= evidence.reached[:, None])[:, :, None],
        NETWORK,
        "in the mean over a step of the mesh",
    )
    return during, _since_start(evidence, Course(inverse, rates, coarser, coarser))


def _since_start(evidence: Evidence, inverse: Course) -> Measurement:
    """Measure (1/Loss(t) - 1/Loss(0))/t, at all times t > 0.

    The claim times t would be an equality at t = 0. Divided by t it is d(1/Loss)/dt there, with a
    rate that is taken from the other times of the first interval.
    """
    times = evidence.times[1:, None]
    gained = inverse.values[:, 1:] - inverse.values[:, :1]
    mean = gained / times
    slope = (inverse.rates[:, 1:] - mean) / times
    first = inverse.rates[:, :1]
    length = evidence.times[2]
    bend = mean[:, :1] - (first + mean[:, 1:2]) / 2.0
    values = torch.cat([first, mean], 1)
    rates = torch.cat([slope[:, 1:2] + 8.0 * bend / length, slope], 1)
    between = extremes(evidence.times, values, rates)
    other = inverse.coarser[:, 1:] - inverse.coarser[:, :1]
    off = (gained - other).abs() + ROUNDING * inverse.values[:, 1:]
    # The largest so far, at the earliest time of each interval but 0.
    error = off.cummax(1).values[:, 1::2] / torch.cat([times[:1], times[1:-1:2]])
    return Measurement(
        between.least,
        error,
        between.remainder,
        between.least_time,
        evidence.valid[:, :, None],
        NETWORK,
        "in the mean since 0",
    )

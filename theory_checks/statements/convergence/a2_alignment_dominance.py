"""A-2: alignment dominance (Definition 4.2), where theory promises it, and measured everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from theory_checks.controls import broken
from theory_checks.controls.control import Control
from theory_checks.evidence.evidence import Evidence
from theory_checks.margins.bounds import ROUNDING
from theory_checks.margins.measurement import Estimate, Hypothesis, Item, Measurement
from theory_checks.statements.alignment.products import kappas
from theory_checks.statements.convergence.excess_loss import Measured, measured
from theory_checks.statements.convergence.fitted_gamma import fitted_gamma
from theory_checks.statements.data.geometry import certified, claimed
from theory_checks.statements.motion import equal_rates, no_decay, unless
from theory_checks.statements.statement import register

GAMMAS = (1.0, 1.5, 2.0)
PROMISED_GAMMA = 2.0
"""The gamma that P-2 proves."""
REFINEMENTS = 5
SHARP = 0.1
"""Share of mu to which an estimate is refined, as far as `REFINEMENTS` allow."""
NETWORK = (Item(),)
PROVED = ("signfa", "fa", "adafa")
"""Rules of P-2 for which dominance is more than that a square is positive."""


@register
class Dominance:
    """<grad Loss, G> >= mu e^2 with a mu > 0, measured as the least ratio along the run.

    Promised for gd, where the left side is ||grad Loss||^2, and by P-2. What mu has to be at least
    is P-2's own statement.
    """

    spec: ClassVar[str] = "A-2"
    statement: ClassVar[str] = "<grad Loss, G> >= mu (Loss - Loss*)^2 with mu > 0, along the run"
    reading: ClassVar[str] = (
        "margin: the least <grad Loss, G> / (Loss - Loss*)^2; Loss* is 0 (for the squared loss, if "
        "the network can interpolate; otherwise Loss - Loss* and thereby mu are those of 0)"
    )

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume gd away from stationary points, or the hypotheses of P-2."""
        proved, descends = evidence.under(*PROVED), evidence.under("gd")
        problem = evidence.flow.problem
        along = measured(evidence)
        still = ((along.product.values.squeeze(2) == 0.0) & along.known).any(1)
        return (
            Hypothesis.of(
                "rule",
                f"the rule is gd or one of P-2: {', '.join(PROVED)}",
                proved | descends,
            ),
            Hypothesis.of(
                "exact-kinks",
                "the kinks are exact (with `smooth_kinks` gd's own update is not the gradient)",
                evidence.for_all(problem.activation.slope_is_derivative),
            ),
            no_decay(evidence),
            unless(~proved, equal_rates(evidence), "the rule is gd"),
            Hypothesis.of("gradient", "under gd the gradient never vanishes", ~(descends & still)),
            Hypothesis.of(
                "one-hidden-layer",
                "the rule is gd, or there is one hidden layer",
                ~proved | (evidence.flow.layout.layers == 2),
            ),
            Hypothesis.of(
                "no-bias",
                "the rule is gd, or no layer has a bias",
                ~proved | (not any(problem.has_bias)),
            ),
            Hypothesis.of(
                "exponential",
                "the rule is gd, or the loss is exponential",
                ~proved | (problem.loss.name == "exponential"),
            ),
            Hypothesis.of(
                "leak",
                "the rule is gd, or the activation is a leaky ReLU with leak > 0",
                ~proved | bool(problem.leak),
            ),
            Hypothesis.of(
                "separable",
                "the rule is gd, or the data are linearly separable (D-3)",
                ~proved | _separable(evidence),
            ),
            _kappa_positive(evidence, proved),
            Hypothesis.of(
                "resolved",
                "Loss - Loss* exceeds the integrator's error at first",
                along.resolved[:, 0],
            ),
        )

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return the least ratio on each interval."""
        along = measured(evidence)
        ratio = along.ratio((PROMISED_GAMMA,))
        # A square is positive at any state, right or wrong: only rounding could hide it.
        square = evidence.under("gd")[:, None, None]
        error = torch.where(square, ROUNDING * ratio.least.abs(), ratio.error)
        counts = along.resolved[:, :, None]
        return (Measurement(ratio.least, error, ratio.remainder, ratio.time, counts, NETWORK),)

    def estimates(self, evidence: Evidence) -> tuple[Estimate, ...]:
        """Return the best mu for each gamma, and the gamma that fits."""
        along = measured(evidence)
        mu, off, when = best_mu(evidence, along)
        return (
            *(
                Estimate.of(
                    evidence,
                    f"mu for gamma = {gamma:g}",
                    "the largest mu of (gamma, mu)-dominance over the run",
                    mu[:, column],
                    off[:, column],
                    when[:, column],
                )
                for column, gamma in enumerate(GAMMAS)
            ),
            fitted_gamma(evidence, along),
        )

    def controls(self) -> Mapping[str, Control]:
        """Return flows that lose their dominance."""
        return {
            f"{rule} whose weights leave the feedback": broken(
                rule, "against feedback", widths=(4,), loss="exponential"
            )
            for rule in ("fa", "adafa")
        }


def best_mu(evidence: Evidence, along: Measured) -> tuple[Tensor, Tensor, Tensor]:
    """Return the least ratio for each gamma, its uncertainty and its time, (trajectory, gamma).

    Where the ratio may be lower between the times, by more than `SHARP` of the least, trajectory
    and interval are looked at again.
    """
    result = torch.full((3, len(evidence), len(GAMMAS)), torch.nan, dtype=along.times.dtype)
    positions = torch.arange(len(evidence))
    for refinement in range(REFINEMENTS + 1):
        ratio = along.ratio(GAMMAS)
        counts = along.resolved[:, :, None]
        mu, index = torch.where(counts, ratio.least, torch.inf).min(1, keepdim=True)
        lowest = torch.where(counts, ratio.least - ratio.remainder, torch.inf)
        surely = (lowest - ratio.error).amin(1, keepdim=True)
        off = torch.maximum(mu - surely, ratio.error.gather(1, index))
        lower = (mu - lowest > SHARP * mu.abs()) & counts
        # Of a burst that is still unseen only the least height is known.
        off = torch.where((lower & (along.unseen > 0.0)).any(1, keepdim=True), torch.inf, off)
        known = torch.stack([mu, off, ratio.time.gather(1, index)]).squeeze(2)
        result[:, positions] = known.masked_fill(~counts.any(1), torch.nan)
        again = lower.any(2)
        looked = again.any(1)
        if refinement == REFINEMENTS or not looked.any():
            break
        positions = positions[looked]
        evidence = evidence.select(looked.nonzero().flatten()).refined(again[looked].any(0))
        along = measured(evidence)
    least, uncertain, when = result
    return least, uncertain, when


def _separable(evidence: Evidence) -> Tensor:
    """Return whether the data of each trajectory are linearly separable (D-3), (trajectory,)."""
    return claimed(evidence, lambda certificate: certificate.margin, certified) > 0.0


def _kappa_positive(evidence: Evidence, proved: Tensor) -> Hypothesis:
    """Return the hypothesis on kappa_j of P-2, for the rules that it speaks of."""
    kappa = kappas(evidence, evidence.flow.layout.layers - 1)
    greatest, least = kappa.amax(1), kappa.amin(1)
    missed_by = torch.where(evidence.under("signfa"), -greatest, -least).clamp_min(0.0)
    return Hypothesis(
        "kappa",
        "the rule is gd, or kappa of P-2 is positive",
        ~proved | ((greatest > 0.0) & (missed_by <= 0.0)),
        torch.where(proved, missed_by, torch.zeros_like(missed_by)),
    )

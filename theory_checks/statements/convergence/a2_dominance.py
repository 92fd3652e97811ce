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
from theory_checks.statements.alignment.a1_alignment import kappas
from theory_checks.statements.convergence.fit import fitted_gamma
from theory_checks.statements.convergence.measured import Measured, measured
from theory_checks.statements.data.geometry import certified, claimed
from theory_checks.statements.statement import register

GAMMAS = (1.0, 1.5, 2.0)
PROMISED_GAMMA = 2.0
"""That of P-2."""
REFINEMENTS = 5
SHARP = 0.1
"""Share of mu to which the estimates are refined, where that goes."""
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
        proved = torch.tensor([rule in PROVED for rule in evidence.rules])
        descends = torch.tensor([rule == "gd" for rule in evidence.rules])
        problem = evidence.flow.problem
        nothing = torch.zeros(len(evidence))

        def if_proved(excess: float | Tensor) -> Tensor:
            return torch.where(proved, torch.as_tensor(excess, dtype=torch.float64), 0.0)

        found = measured(evidence)
        still = ((found.product.values.squeeze(2) == 0.0) & found.known).any(1)
        return (
            Hypothesis(
                "rule",
                f"the rule is gd or one of P-2: {', '.join(PROVED)}",
                (~(proved | descends)).double(),
            ),
            Hypothesis(
                "exact-kinks",
                "the kinks are exact (with --smooth-kinks gd's own update is not the gradient)",
                torch.full((len(evidence),), problem.smooth_kinks or 0.0),
            ),
            Hypothesis(
                "gradient",
                "under gd the gradient never vanishes",
                torch.where(descends & still, 1.0, nothing),
            ),
            Hypothesis(
                "one-hidden-layer",
                "the rule is gd, or there is one hidden layer",
                if_proved(evidence.flow.layout.layers - 2.0),
            ),
            Hypothesis(
                "no-bias",
                "the rule is gd, or no layer has a bias",
                if_proved(float(any(problem.has_bias))),
            ),
            Hypothesis(
                "exponential",
                "the rule is gd, or the loss is exponential",
                if_proved(float(problem.loss.name != "exponential")),
            ),
            Hypothesis(
                "leak", "the rule is gd, or leak > 0", if_proved(float(problem.leak == 0.0))
            ),
            Hypothesis(
                "separable",
                "the rule is gd, or the data are linearly separable (D-3)",
                if_proved(_inseparable(evidence)),
            ),
            Hypothesis(
                "kappa",
                "the rule is gd, or kappa of P-2 is positive",
                if_proved(_kappa_missing(evidence)),
            ),
            Hypothesis(
                "resolved",
                "Loss - Loss* exceeds the integrator's error at first",
                (~found.resolved[:, 0]).double(),
            ),
        )

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return the least ratio on each interval."""
        found = measured(evidence)
        ratio = found.ratio((PROMISED_GAMMA,))
        # A square is positive at any state, right or wrong: only rounding could hide it.
        square = torch.tensor([rule == "gd" for rule in evidence.rules])[:, None, None]
        error = torch.where(square, ROUNDING * ratio.least.abs(), ratio.error)
        counts = found.resolved[:, :, None]
        return (Measurement(ratio.least, error, ratio.remainder, ratio.time, counts, NETWORK),)

    def estimates(self, evidence: Evidence) -> tuple[Estimate, ...]:
        """Return the best mu for each gamma, and the gamma that fits."""
        found = measured(evidence)
        mu, off, when = best_mu(evidence, found)
        return (
            *(
                Estimate(
                    f"mu for gamma = {gamma:g}",
                    "the largest mu of (gamma, mu)-dominance over the run",
                    mu[:, place],
                    off[:, place],
                    when[:, place],
                )
                for place, gamma in enumerate(GAMMAS)
            ),
            fitted_gamma(found),
        )

    def controls(self) -> Mapping[str, Control]:
        """Return flows that lose their dominance."""
        return {
            f"{rule} whose weights leave the feedback": broken(
                rule, "against feedback", widths=(4,), loss="exponential"
            )
            for rule in ("fa", "adafa")
        }


def best_mu(evidence: Evidence, found: Measured) -> tuple[Tensor, Tensor, Tensor]:
    """Return the least ratio for each gamma, its uncertainty and its time, (trajectory, gamma).

    Where the ratio may be lower between the times, by more than `SHARP` of the least, trajectory
    and interval are looked at again.
    """
    result = torch.full((3, len(evidence), len(GAMMAS)), torch.nan, dtype=found.times.dtype)
    positions = torch.arange(len(evidence))
    for refinement in range(REFINEMENTS + 1):
        ratio = found.ratio(GAMMAS)
        counts = found.resolved[:, :, None]
        mu, index = torch.where(counts, ratio.least, torch.inf).min(1, keepdim=True)
        lowest = torch.where(counts, ratio.least - ratio.remainder, torch.inf)
        surely = (lowest - ratio.error).amin(1, keepdim=True)
        off = torch.maximum(mu - surely, ratio.error.gather(1, index))
        lower = (mu - lowest > SHARP * mu.abs()) & counts
        # Of a burst that is still unseen only the least height is known.
        off = torch.where((lower & (found.unseen > 0.0)).any(1, keepdim=True), torch.inf, off)
        known = torch.stack([mu, off, ratio.time.gather(1, index)]).squeeze(2)
        result[:, positions] = known.masked_fill(~counts.any(1), torch.nan)
        again = lower.any(2)
        looked = again.any(1)
        if refinement == REFINEMENTS or not looked.any():
            break
        positions = positions[looked]
        evidence = evidence.select(looked.nonzero().flatten()).refined(again[looked].any(0))
        found = measured(evidence)
    least, uncertain, when = result
    return least, uncertain, when


def _inseparable(evidence: Evidence) -> Tensor:
    """Return 1 where the data of a trajectory are not linearly separable, else 0."""
    data = evidence.flow.problem.data
    if data.label_kind != "binary":
        return torch.ones(len(evidence))
    separable = claimed(evidence, lambda found: float(found.separable or False), certified)
    return 1.0 - separable


def _kappa_missing(evidence: Evidence) -> Tensor:
    """Return by how much the kappa_j of P-2 fail; 0 for rules that it does not speak of."""
    each = kappas(evidence)
    sign = torch.tensor([rule == "signfa" for rule in evidence.rules])
    positive = each.amax(1) > 0.0
    short = torch.where(sign, -each.amax(1), -each.amin(1)).clamp_min(0.0)
    return torch.where(positive, short, short.clamp_min(torch.finfo(each.dtype).tiny))

"""Variants, pairs of a rate and a momentum, and the steps at which they meet the flow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flowfa.deviation.settings import DeviationSettings


@dataclass(frozen=True)
class Variants:
    """The variants of one rule, and where each is compared with the flow.

    Attributes
    ----------
    rate, momentum : numpy.ndarray
        (variant,).
    edge_multiple : numpy.ndarray
        The rate as a multiple of the stability edge, where it was asked for so; else NaN.
    steps : numpy.ndarray
        Steps done at each point of comparison, not decreasing, (variant, point).
    times : numpy.ndarray
        The flow's time there, k eta / (1 - mu), (variant, point).
    """

    rate: np.ndarray
    momentum: np.ndarray
    edge_multiple: np.ndarray
    steps: np.ndarray
    times: np.ndarray

    def __len__(self) -> int:
        """Return the number of variants."""
        return len(self.rate)

    @property
    def union(self) -> np.ndarray:
        """All times of comparison and 0, increasing, (time,)."""
        return np.unique(np.append(self.times, 0.0))


def make_variants(settings: DeviationSettings, edge: float) -> Variants:
    """Return the variants of a rule.

    Points of comparison are spread evenly over the steps of the largest plain rate, so that rates
    that divide it meet the flow at the same times; other variants go to their nearest step.

    Parameters
    ----------
    settings : DeviationSettings
    edge : float
        The rule's stability edge; inf or NaN if it has none, and then multiples are left out.
    """
    pairs = [(rate, np.nan, mu) for rate in settings.all_rates for mu in settings.momenta]
    if np.isfinite(edge):
        pairs += [
            (multiple * edge, multiple, mu)
            for multiple in settings.edge_multiples
            for mu in settings.momenta
        ]
    else:
        pairs += [
            (np.nan, multiple, mu)
            for multiple in settings.edge_multiples
            for mu in settings.momenta
        ]
    rate, multiple, momentum = (np.array(column) for column in zip(*pairs, strict=True))
    coarsest = max(settings.rates)
    last = max(1, round(settings.t_end / coarsest))
    wanted = np.ceil(np.linspace(0.0, last, settings.points + 1)[1:]) * coarsest
    length = np.where(np.isnan(rate), np.inf, rate / (1.0 - momentum))[:, None]
    steps = np.maximum(1, np.rint(wanted / length)).astype(np.int64)
    return Variants(rate, momentum, multiple, steps, steps * length)

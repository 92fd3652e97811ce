"""Variants, pairs of a rate and a momentum, and the steps at which they meet the flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from flowfa.settings import DeviationSettings


@dataclass(frozen=True)
class Variants:
    """The variants of one rule, and where each is compared with the flow.

    Attributes
    ----------
    rate, momentum : numpy.ndarray
        (variant,). A rate is NaN where there is no edge to take a multiple of, or where the
        multiple is so large that no step fits.
    edge_multiple : numpy.ndarray
        The rate as a multiple of the stability edge, where it was asked for so; else NaN.
    steps : numpy.ndarray
        Steps done at each point of comparison, not decreasing, (variant, point).
    times : numpy.ndarray
        The flow's time there, k eta / (1 - mu), (variant, point); NaN where the rate is.
    """

    rate: np.ndarray
    momentum: np.ndarray
    edge_multiple: np.ndarray
    steps: np.ndarray
    times: np.ndarray

    def __len__(self) -> int:
        """Return the number of variants."""
        return len(self.rate)


def make_variants(settings: DeviationSettings, edges: Mapping[float, float]) -> Variants:
    """Return the variants of a rule.

    Points of comparison are spread evenly over the steps of the largest plain rate, no more than
    there are, so that rates that divide it meet the flow at the same times; other variants go to
    their nearest step.

    Parameters
    ----------
    settings : DeviationSettings
    edges : mapping of float to float
        The rule's stability edge with each momentum; inf or NaN if it has none.
    """
    pairs = [(rate, np.nan, mu) for rate in settings.all_rates for mu in settings.momenta]
    pairs += [
        (_multiplied(multiple, edges[mu], settings.t_end, mu), multiple, mu)
        for multiple in settings.edge_multiples
        for mu in settings.momenta
    ]
    rate, multiple, momentum = (np.array(column) for column in zip(*pairs, strict=True))
    wanted = np.linspace(0.0, settings.last_step, settings.compared + 1)[1:]
    wanted = np.ceil(wanted) * max(settings.rates)
    length = (rate / (1.0 - momentum))[:, None]
    steps = np.rint(wanted / np.where(np.isnan(length), np.inf, length)).astype(np.int64)
    steps = np.maximum(1, steps)
    return Variants(rate, momentum, multiple, steps, steps * length)


def _multiplied(multiple: float, edge: float, t_end: float, momentum: float) -> float:
    """Return a multiple of the edge as a rate, NaN where no step of it fits."""
    rate = multiple * edge
    return rate if rate / (1.0 - momentum) <= t_end else np.nan

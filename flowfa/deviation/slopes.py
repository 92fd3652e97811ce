"""The power of the rate with which a deviation grows, with its confidence interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
FEWEST_RATES = 2


@dataclass(frozen=True)
class Slope:
    """A fitted power.

    Attributes
    ----------
    slope : float
        Mean over starts of the least-squares slope of log(deviation) against log(rate).
    low, high : float
        Interval of the mean over starts, at 95 %, by Student's t; NaN with one start.
    starts, rates : int
        How many starts, and how many rates at most, entered.
    curvature : float
        Mean difference of the slopes between the two largest and between the two smallest rates:
        0 for a pure power.
    finest : float
        Mean slope between the two smallest rates.
    """

    slope: float
    low: float
    high: float
    starts: int
    rates: int
    curvature: float
    finest: float


def fit_slope(rate: np.ndarray, deviation: np.ndarray, usable: np.ndarray) -> Slope | None:
    """Fit the power of one rule, width and momentum.

    Parameters
    ----------
    rate : numpy.ndarray
        (variant,).
    deviation : numpy.ndarray
        (start, variant).
    usable : numpy.ndarray
        The deviations that count (resolved, not diverged, positive), (start, variant) bool.

    Returns
    -------
    Slope or None
        None if no start has two usable rates.
    """
    from scipy import stats

    slopes, bends, finest, most = [], [], [], 0
    for row, good in zip(deviation, usable, strict=True):
        if good.sum() < FEWEST_RATES:
            continue
        order = np.argsort(rate[good])
        x, y = np.log(rate[good][order]), np.log(row[good][order])
        slopes.append(float(np.polyfit(x, y, 1)[0]))
        local = np.diff(y) / np.diff(x)
        bends.append(float(local[-1] - local[0]))
        finest.append(float(local[0]))
        most = max(most, int(good.sum()))
    if not slopes:
        return None
    mean, half = float(np.mean(slopes)), np.nan
    if len(slopes) > 1:
        quantile = float(stats.t.ppf(0.5 + CONFIDENCE / 2.0, len(slopes) - 1))
        half = quantile * float(np.std(slopes, ddof=1)) / len(slopes) ** 0.5
    bend, least = float(np.mean(bends)), float(np.mean(finest))
    return Slope(mean, mean - half, mean + half, len(slopes), most, bend, least)

"""The derivatives of the losses that compiled loops know, sample by sample."""

from __future__ import annotations

import math

import numpy as np

from flowfa.machine.compiled import compiled
from flowfa.problems.losses import Loss
from flowfa.problems.losses.cross_entropy import CrossEntropy
from flowfa.problems.losses.exponential import Exponential
from flowfa.problems.losses.logistic import Logistic
from flowfa.problems.losses.squared import Squared

EXPONENTIAL, LOGISTIC, CROSS_ENTROPY, SQUARED = range(4)
LOSSES: dict[type[Loss], int] = {
    Exponential: EXPONENTIAL,
    Logistic: LOGISTIC,
    CrossEntropy: CROSS_ENTROPY,
    Squared: SQUARED,
}
"""The losses that are compiled. A subclass is another loss, whatever its name."""


@compiled
def add_derivative(
    loss: int,
    targets: np.ndarray,
    k: int,
    output: np.ndarray,
    p: int,
    factor: float,
    share: float,
    signal: np.ndarray,
) -> None:
    """Add share times dl/df of one sample to column p of the signals.

    Parameters
    ----------
    loss : int
        One of `LOSSES`.
    targets : ndarray, shape (output, sample)
    k : int
        The sample.
    output : ndarray, shape (output, column)
        The sample's outputs f are ``factor`` times column p.
    p : int
    factor, share : float
    signal : ndarray, shape (output, column)
        Added to.
    """
    outputs = output.shape[0]
    if loss == CROSS_ENTROPY:
        label = 0
        for c in range(outputs):
            if targets[c, k] > 0.0:
                label = c
        own = factor * output[label, p]
        # The largest of the others' outputs, relative to the label's: log-sum-exp about it.
        most = -math.inf
        for c in range(outputs):
            if c != label:
                most = max(most, factor * output[c, p] - own)
        total = 0.0
        for c in range(outputs):
            if c != label:
                total += math.exp(factor * output[c, p] - own - most)
        against = most + math.log(total) if outputs > 1 else -math.inf
        rest = _softplus(against) if outputs > 1 else 0.0
        for c in range(outputs):
            if c == label:
                signal[c, p] -= share * (_sigmoid(against) if outputs > 1 else 0.0)
            else:
                signal[c, p] += share * math.exp(factor * output[c, p] - own - rest)
        return
    for c in range(outputs):
        f, y = factor * output[c, p], targets[c, k]
        if loss == EXPONENTIAL:
            slope = -y * math.exp(-y * f)
        elif loss == LOGISTIC:
            slope = -y * _sigmoid(-y * f)
        else:
            slope = f - y
        signal[c, p] += share * slope


@compiled
def _sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x)), to full relative precision for x of either sign."""
    small = math.exp(-abs(x))
    return (1.0 if x >= 0.0 else small) / (1.0 + small)


@compiled
def _softplus(x: float) -> float:
    """Return log(1 + exp x)."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))

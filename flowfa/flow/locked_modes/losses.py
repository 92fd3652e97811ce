"""The residual signals r = -p_k dl/df of the losses, compiled."""

from __future__ import annotations

import math

import numpy as np

from flowfa.flow.locked_modes.network import CROSS_ENTROPY, EXPONENTIAL, LOGISTIC, Network
from flowfa.machine.compiled import compiled


@compiled
def _sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x)), to full relative precision for x of either sign."""
    small = math.exp(-abs(x))
    return (1.0 if x >= 0.0 else small) / (1.0 + small)


@compiled
def _softplus(x: float) -> float:
    """Return log(1 + exp x)."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@compiled
def ray_signals(net: Network, output: np.ndarray, signal: np.ndarray) -> None:
    """Write the signal of each ray: the sum of c_k r_k(c_k f) over its samples.

    Parameters
    ----------
    net : Network
    output, signal : ndarray, shape (output, ray)
        Of a sample with factor 1; the other is written to.
    """
    outputs, samples = output.shape[0], len(net.sample_ray)
    signal[:] = 0.0
    for k in range(samples):
        p, factor = net.sample_ray[k], net.sample_factor[k]
        share = -factor * net.sample_share[k]
        if share == 0.0:
            continue
        if net.loss == CROSS_ENTROPY:
            label = 0
            for c in range(outputs):
                if net.targets[c, k] > 0.0:
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
            continue
        for c in range(outputs):
            f, y = factor * output[c, p], net.targets[c, k]
            if net.loss == EXPONENTIAL:
                slope = -y * math.exp(-y * f)
            elif net.loss == LOGISTIC:
                slope = -y * _sigmoid(-y * f)
            else:
                slope = f - y
            signal[c, p] += share * slope

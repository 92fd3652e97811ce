"""Weight decay within a step: a change of variables under which paths stay polynomials.

Weights that decay at the speed mu would fall as exp(-mu s) by themselves, s being the time since
the step began. In w exp(mu_1 s) and v exp(mu_2 s) the decay is gone: preactivations keep their
signs, in-weights follow the signals r exp(mu_1 s), and out-weights r exp((mu_2 - mu_1) s), because
activations have the factor exp(mu_1 s) too; output biases follow r exp(mu_2 s). Each is taken as a
quadratic of its own. The first two are one where mu_2 = 2 mu_1, which is when C-13 keeps a law for
the rules with fixed feedback: it holds to rounding there.
"""

from __future__ import annotations

import math

import numpy as np

from flowfa.machine.compiled import compiled
from flowfa.solvers.hybrid.records import LENGTH, Guess, Layer, Path


@compiled
def shrink(layer: Layer, guess: Guess, times: np.ndarray, first_integral: int, path: Path) -> None:
    """Turn what a sweep found into the weights that decay.

    Parameters
    ----------
    layer, guess : Layer, Guess
    times, first_integral : ndarray, int
        See `sweep.sweep`.
    path : Path
        Changed.
    """
    if layer.in_decay == 0.0 and layer.out_decay == 0.0:
        return
    h = guess.step[LENGTH]
    neurons, outputs = path.v_at.shape[1], path.v_at.shape[2]
    left = math.exp(-layer.in_decay * h)
    for j in range(neurons):
        for p in range(path.zeta.shape[1]):
            path.zeta[j, p] *= left
    for t in range(len(times)):
        left = math.exp(-layer.in_decay * h * times[t])
        left_out = math.exp(-layer.out_decay * h * times[t])
        for j in range(neurons):
            for c in range(outputs):
                path.v_at[t, j, c] *= left_out
            if t >= first_integral:
                for p in range(path.zeta.shape[1]):
                    path.Y[t - first_integral, j, p] *= left
        for block in range(len(path.outputs)):
            for c in range(outputs):
                for k in range(path.outputs.shape[3]):
                    path.outputs[block, t, c, k] *= left * left_out

"""The network's outputs on a path, and the residual signals r = -(1/n) dl/df that they make."""

from __future__ import annotations

import math

import numpy as np

from flowfa.flow.compiled_losses import add_derivative
from flowfa.machine.compiled import compiled
from flowfa.solvers.hybrid.records import LENGTH, OF_BIAS, Layer, Memory, Space
from flowfa.solvers.hybrid.signals import STEP_TIMES, integral_of

DIFFERENCE = 1e-5
"""Step of the central differences for r'(f), in units of max(1, |f|)."""


@compiled
def write_outputs(layer: Layer, memory: Memory, space: Space) -> None:
    """Add up the outputs of all blocks, and add the output bias."""
    outputs, blocks, guess = space.outputs, space.path.outputs, space.guess
    h = guess.step[LENGTH]
    outputs[:] = 0.0
    for block in range(len(blocks)):
        for t in range(outputs.shape[0]):
            for c in range(outputs.shape[1]):
                for k in range(outputs.shape[2]):
                    outputs[t, c, k] += blocks[block, t, c, k]
    if layer.out_bias_at >= 0:
        for t in range(outputs.shape[0]):
            for c in range(outputs.shape[1]):
                moved = h * integral_of(guess.polynomials[OF_BIAS], c, STEP_TIMES[t])
                left = math.exp(-layer.out_decay * h * STEP_TIMES[t])
                bias = left * (memory.state[layer.out_bias_at + c] + moved)
                for k in range(outputs.shape[2]):
                    outputs[t, c, k] += bias


@compiled
def write_residuals(layer: Layer, outputs: np.ndarray, residuals: np.ndarray) -> None:
    """Write the residuals of outputs, both (time, output, sample)."""
    residuals[:] = 0.0
    for t in range(len(outputs)):
        for k in range(outputs.shape[2]):
            share = -layer.shares[k]
            if share != 0.0:
                add_derivative(
                    layer.loss, layer.targets, k, outputs[t], k, 1.0, share, residuals[t]
                )


@compiled(allocates=True)
def write_slopes(layer: Layer, output: np.ndarray, slope: np.ndarray) -> None:
    """Write dr_c / df_k of each sample, (output, output, sample), by differences.

    Parameters
    ----------
    layer : Layer
    output : ndarray, shape (output, sample)
        f; changed on the way, and put back.
    slope : ndarray, shape (output, output, sample)
        Written to.
    """
    outputs, samples = output.shape
    difference = np.empty((outputs, samples))
    for other in range(outputs):
        for k in range(samples):
            f = output[other, k]
            step = DIFFERENCE * max(abs(f), 1.0)
            share = -layer.shares[k] / (2.0 * step)
            for c in range(outputs):
                difference[c, k] = 0.0
            if share == 0.0:
                for c in range(outputs):
                    slope[c, other, k] = 0.0
                continue
            output[other, k] = f + step
            add_derivative(layer.loss, layer.targets, k, output, k, 1.0, share, difference)
            output[other, k] = f - step
            add_derivative(layer.loss, layer.targets, k, output, k, 1.0, -share, difference)
            output[other, k] = f
            for c in range(outputs):
                slope[c, other, k] = difference[c, k]

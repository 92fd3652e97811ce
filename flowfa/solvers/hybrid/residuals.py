"""The network's outputs on a path, and the residual signals r = -(1/n) dl/df that they make."""

from __future__ import annotations

import numpy as np

from flowfa.flow.compiled_losses import add_derivative
from flowfa.machine.compiled import compiled, compiled_loop
from flowfa.solvers.hybrid.records import LENGTH, Layer, Memory, Space
from flowfa.solvers.hybrid.signals import STEP_TIMES, integral_of

DIFFERENCE = 1e-5
"""Step of the central differences for r'(f), in units of max(1, |f|)."""


@compiled
def write_outputs(layer: Layer, memory: Memory, space: Space) -> None:
    """Add up the outputs of all blocks, and add the output bias."""
    outputs, blocks, guess = space.outputs, space.path.outputs, space.guess
    outputs[:] = 0.0
    for block in range(len(blocks)):
        for t in range(outputs.shape[0]):
            for c in range(outputs.shape[1]):
                for k in range(outputs.shape[2]):
                    outputs[t, c, k] += blocks[block, t, c, k]
    if layer.out_bias_at >= 0:
        for t in range(outputs.shape[0]):
            for c in range(outputs.shape[1]):
                moved = guess.step[LENGTH] * integral_of(guess.polynomial, c, STEP_TIMES[t])
                bias = memory.state[layer.out_bias_at + c] + moved
                for k in range(outputs.shape[2]):
                    outputs[t, c, k] += bias


@compiled
def write_residuals(layer: Layer, outputs: np.ndarray, residuals: np.ndarray) -> None:
    """Write the residuals of outputs, both (time, output, sample)."""
    samples = outputs.shape[2]
    residuals[:] = 0.0
    for t in range(len(outputs)):
        for k in range(samples):
            add_derivative(
                layer.loss, layer.targets, k, outputs[t], k, 1.0, -1.0 / samples, residuals[t]
            )


@compiled_loop
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
            share = -1.0 / (2.0 * step * samples)
            for c in range(outputs):
                difference[c, k] = 0.0
            output[other, k] = f + step
            add_derivative(layer.loss, layer.targets, k, output, k, 1.0, share, difference)
            output[other, k] = f - step
            add_derivative(layer.loss, layer.targets, k, output, k, 1.0, -share, difference)
            output[other, k] = f
            for c in range(outputs):
                slope[c, other, k] = difference[c, k]

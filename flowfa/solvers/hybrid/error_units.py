"""What errors are measured by: the sizes of weights, and how far signals move them."""

from __future__ import annotations

import numpy as np

from flowfa.machine.compiled import compiled
from flowfa.solvers.hybrid.records import Layer, Memory, Path


@compiled(from_python=True)
def largest_sizes(
    layer: Layer, zeta: np.ndarray, v: np.ndarray, size: float, weight: float
) -> tuple[float, float]:
    """Return the largest preactivation or out-weight, and the largest weight, so far.

    In-weights are measured by the preactivations that they give the longest sample.

    Parameters
    ----------
    layer : Layer
    zeta : ndarray, shape (neuron, surface)
    v : ndarray, shape (neuron, output)
    size, weight : float
        What the function returned before, or 0.
    """
    z, second = 0.0, 0.0
    for j in range(zeta.shape[0]):
        for k in range(len(layer.surface)):
            z = max(z, abs(layer.factor[k] * zeta[j, layer.surface[k]]))
        for c in range(v.shape[1]):
            second = max(second, abs(v[j, c]))
    first = z / layer.longest if layer.longest > 0.0 else z
    return max(size, max(z, second)), max(weight, max(first, second))


@compiled
def reach(
    layer: Layer, memory: Memory, path: Path, size: float, weight: float
) -> tuple[float, float]:
    """Return how fast drives move in-weights, and signals out-weights, by their sizes.

    An out-weight moves as its neuron's activation, the output bias as 1. Where the longest sample
    is longer than 1 in-weights count by preactivations, else by themselves.

    Parameters
    ----------
    layer, memory : Layer, Memory
    path : Path
        What the sweep made of the step.
    size, weight : float
        What `largest_sizes` returns.
    """
    activation = 1.0 if layer.out_bias_at >= 0 else 0.0
    for j in range(path.zeta.shape[0]):
        for k in range(len(layer.surface)):
            p, factor = layer.surface[k], layer.factor[k]
            before, after = factor * memory.zeta[j, p], factor * path.zeta[j, p]
            before = max(before, -layer.leak * before)
            after = max(after, -layer.leak * after)
            activation = max(activation, max(before, after))
    longest = layer.longest
    drives = max(longest * longest / size, longest / weight)
    return drives, activation / weight

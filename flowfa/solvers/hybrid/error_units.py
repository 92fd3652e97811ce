"""What errors are measured by: the sizes of weights, and how far signals move them."""

from __future__ import annotations

import numpy as np
import torch

from flowfa.problems.activations.leaky_relu import leaky_relu
from flowfa.solvers.hybrid.setting import Setting
from flowfa.solvers.hybrid.sweep import Guess, Path
from flowfa.solvers.one_hidden_layer.network import sample_preactivations


def sizes_of(setting: Setting, zeta: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return the largest preactivation or out-weight, and the largest weight, (trajectory, 2).

    In-weights are measured by the preactivations that they give the longest sample.

    Parameters
    ----------
    setting : Setting
    zeta, v : numpy.ndarray
        (trajectory, neuron, surface or output).
    """
    z = np.abs(zeta * setting.surfaces.reach[:, None]).max(axis=(1, 2))
    second = np.abs(v).max(axis=(1, 2))
    longest = setting.surfaces.longest
    first = z / np.where(longest > 0.0, longest, 1.0)
    return np.stack([np.maximum(z, second), np.maximum(first, second)], axis=1)


def reach(
    setting: Setting, guess: Guess, path: Path, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return how fast drives move in-weights, and signals out-weights, by their sizes.

    An out-weight moves as its neuron's activation, the output bias as 1. Where the longest sample
    is longer than 1 in-weights count by preactivations, else by themselves.

    Parameters
    ----------
    setting : Setting
    guess : Guess
    path : Path
        What the sweep made of it.
    sizes : numpy.ndarray
        The largest so far of what `sizes_of` returns, (trajectory, 2).
    """
    surfaces, leak = setting.surfaces, setting.net.leak
    ends = [
        leaky_relu(sample_preactivations(torch.from_numpy(zeta), surfaces), leak)
        for zeta in (guess.zeta, path.zeta)
    ]
    activation = np.maximum(*(hidden.abs().amax((1, 2)).numpy() for hidden in ends))
    if "c2" in setting.net.layout.shapes:
        activation = np.maximum(activation, 1.0)
    drives = np.maximum(surfaces.longest**2 / sizes[:, 0], surfaces.longest / sizes[:, 1])
    return drives, activation / sizes[:, 1]

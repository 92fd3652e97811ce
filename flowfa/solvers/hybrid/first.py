"""What the solver keeps of each trajectory, at time 0."""

from __future__ import annotations

import numpy as np
import torch

from flowfa.problems.activations.leaky_relu import leaky_relu
from flowfa.solvers.hybrid.error_units import largest_sizes
from flowfa.solvers.hybrid.layers import Setting
from flowfa.solvers.one_hidden_layer.network import in_weights, sample_preactivations


def first_memory(
    setting: Setting, state: torch.Tensor, end: float, share: float
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the memory of trajectories at their start, and how many choices were not unique.

    Parameters
    ----------
    setting : Setting
    state : Tensor
        (trajectory, parameter).
    end : float
        The end time.
    share : float
        Of the longest step that is taken at first.

    Returns
    -------
    tuple
        Arrays with a row for each trajectory: those of `records.Memory` without the state, and its
        numbers but the time; and the number of surfaces of each at which a start lies and which
        push to both sides, (trajectory,).
    """
    net, rows = setting.net, len(state)
    views = net.layout.views(state)
    v = views["W2"].transpose(1, 2).contiguous()
    directions = torch.from_numpy(setting.surfaces.directions)
    zeta = in_weights(net, state) @ directions.transpose(1, 2)
    output = v.transpose(1, 2) @ leaky_relu(sample_preactivations(zeta, setting.surfaces), net.leak)
    if "c2" in views:
        output = output + views["c2"][:, :, None]
    signal = setting.residuals(output[:, None], torch.arange(rows)).numpy()
    zetas, vs = zeta.numpy(), v.numpy()
    signs = np.where(vs >= 0.0, 1.0, -1.0)
    sizes = np.zeros((rows, 2))
    for row in range(rows):
        sizes[row] = largest_sizes(setting.layer(row), zetas[row], vs[row], 0.0, 0.0)
    # A network of zeros has no size that a tolerance could be a share of. If it is driven, its
    # step is set to zero, so that it ends as step underflow; under gd it stays where it is.
    all_zero = sizes[:, 0] == 0.0
    sizes[all_zero] = 1.0
    b = setting.feedback.weights(vs, signs)
    stuck = all_zero & (np.abs(b).max(axis=(1, 2)) > 0.0)
    # A step in which the signals alone would move the output weights by a tenth.
    rate = np.abs(signal).sum(axis=(1, 2, 3)) * np.maximum(sizes[:, 0], 1.0)
    longest = 0.1 * sizes[:, 0] / np.maximum(rate, 1e-300)
    first = share * np.minimum(longest, end / 4.0)
    still = np.zeros_like(vs)
    ahead = [signal, 0.0 * signal, 0.0 * signal]
    memory = {
        "step": np.where(stuck, 0.0, first),
        "zeta": zetas,
        # A start exactly on a surface takes slope alpha, torch's convention.
        "modes": np.where(zetas > 0.0, 1, -1).astype(np.int8),
        "weights": np.stack([vs, signs, vs, vs, vs, vs, still, still], axis=1),
        "farthest": np.abs(zetas).max(axis=2),
        "size": sizes,
        "signals": np.concatenate([signal, signal, signal, signal, *ahead], axis=1),
        "last_step": first,
        "flags": np.zeros((rows, 3), np.int64),
    }
    return memory, _undecided(setting, zetas, b, signal[:, 0])


def _undecided(setting: Setting, zeta: np.ndarray, b: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Return how many surfaces of the start lie at zero and push to both sides."""
    surfaces, leak = setting.surfaces, setting.net.leak
    R, L = surfaces.signals(r, leak)
    G, H = b @ R, b @ L
    down = (np.where(zeta > 0.0, 1.0, leak) * G + H) @ surfaces.gram
    up = down + (1.0 - leak) * G
    return ((zeta == 0.0) & (G > 0.0) & (up > 0.0) & (down <= 0.0)).sum(axis=(1, 2))

"""The residual signals r = -(1/n) dl/df of rays."""

from __future__ import annotations

import numpy as np

from flowfa.flow.compiled_losses import add_derivative
from flowfa.flow.locked_modes.network import Network
from flowfa.machine.compiled import compiled


@compiled
def ray_signals(net: Network, output: np.ndarray, signal: np.ndarray) -> None:
    """Write the signal of each ray: the sum of c_k r_k(c_k f) over its samples.

    Parameters
    ----------
    net : Network
    output, signal : ndarray, shape (output, ray)
        Of a sample with factor 1; the other is written to.
    """
    samples = len(net.sample_ray)
    signal[:] = 0.0
    for k in range(samples):
        p, factor = net.sample_ray[k], net.sample_factor[k]
        share = -factor / samples
        add_derivative(net.loss, net.targets, k, output, p, factor, share, signal)

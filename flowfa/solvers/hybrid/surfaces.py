"""Keeping the in-weights of sliding neurons on their surfaces, step after step."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from flowfa.solvers.hybrid.setting import Setting
from flowfa.solvers.one_hidden_layer.network import in_weights, pack

DEPENDENT = 1e-10
"""Share of the largest singular value below which sliding directions count as dependent."""


DRIFT = 1e-14
"""Share of the farthest that a neuron was from its surfaces at which it is put back."""


def put_on_surfaces(
    setting: Setting, state: Tensor, zeta: np.ndarray, modes: np.ndarray, farthest: np.ndarray
) -> Tensor:
    """Return states whose sliding preactivations are zero but for one rounding.

    A step leaves a preactivation that slides off zero by its rounding, and steps add up; then the
    state would no longer tell that it slides. C-1 changes by the square of what is taken off.

    Parameters
    ----------
    setting : Setting
        With a row for each state.
    state : Tensor
        (row, parameter).
    zeta : numpy.ndarray
        <w, direction> of each surface, (row, neuron, surface).
    modes : numpy.ndarray
        0 where a neuron slides, the same.
    farthest : numpy.ndarray
        The largest abs(zeta) of each neuron so far, (row, neuron).
    """
    sliding = modes == 0
    off_surface = sliding & (np.abs(zeta) > DRIFT * farthest[:, :, None])
    if not off_surface.any():
        return state
    directions = setting.surfaces.directions
    taken = np.zeros((*zeta.shape[:2], directions.shape[2]))
    for row, neuron in np.argwhere(off_surface.any(axis=2)).tolist():
        held = sliding[row, neuron]
        chosen = directions[row if len(directions) > 1 else 0][held]
        off = zeta[row, neuron, held]
        if len(chosen) == 1:
            # Directions have length one.
            taken[row, neuron] = off[0] * chosen[0]
        else:
            taken[row, neuron] = np.linalg.lstsq(chosen, off, rcond=DEPENDENT)[0]
    net = setting.net
    views = net.layout.views(state)
    first = in_weights(net, state) - torch.from_numpy(taken)
    return pack(net, first, views["W2"].transpose(1, 2), views.get("c2"))

"""The slopes of pairs that slide in networks of several hidden layers, from the state alone.

All pairs at zero, in all layers, take consistent modes together (`locked_modes.selection`); those
that slide have the slopes of the linear system that keeps them at zero (`locked_modes.sliding`).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from flowfa.flow.compiled_losses import LOSSES
from flowfa.flow.field import ForwardPass, NetworkField
from flowfa.flow.locked_modes.network import Network, network_of
from flowfa.flow.locked_modes.passes import Space, set_feedback, space_for
from flowfa.flow.locked_modes.selection import settle
from flowfa.flow.locked_modes.signs import signs_of

ZERO = 1e-12
"""Below this share of the product of the norms of in-weights and input a preactivation is zero."""


def are_known(field: NetworkField) -> bool:
    """Return whether slopes of sliding pairs can be computed: rules in form, a compiled loss."""
    return (
        field.activation.piecewise_linear
        and field.activation.kinks != "none"
        and type(field.loss) in LOSSES
        and all(group.rule.in_form for group in field.groups)
        and field.inputs.dtype == torch.float64
        and field.inputs.device.type == "cpu"
    )


def deep_slopes(field: NetworkField, forward: ForwardPass) -> tuple[Tensor, ...] | None:
    """Return the slopes of all hidden layers, each (row, n_l, sample); None where none is zero.

    They are numbers without derivatives. Where no consistent choice is found, the slopes of the
    signs stay.
    """
    rows = len(forward.output)
    zero = [
        (z.abs() <= reach_of_zero_in(field, forward, layer)).detach()
        for layer, z in enumerate(forward.preactivations, start=1)
    ]
    concerned = torch.stack([part.flatten(1).any(1) for part in zero]).any(0)
    if not concerned.any():
        return None
    slopes = [
        torch.where(z > 0.0, z.new_tensor(1.0), z.new_tensor(field.leak)).detach()
        for z in forward.preactivations
    ]
    state = field.layout.of_network().pack(forward.parameters).detach().numpy()
    for row in range(rows):
        if not concerned[row]:
            continue
        net = network_of(field, row)
        chosen = _slopes_of_row(
            net,
            np.ascontiguousarray(state[row]),
            [part[row].numpy() for part in zero],
            [z[row].detach().numpy() for z in forward.preactivations],
        )
        if chosen is not None:
            for layer, values in enumerate(chosen):
                slopes[layer][row] = torch.from_numpy(values)
    return tuple(slopes)


def reach_of_zero_in(field: NetworkField, forward: ForwardPass, layer: int) -> Tensor:
    """Return the size up to which a preactivation of a layer counts as zero, (row, n_l, sample)."""
    weights = forward.parameters[f"W{layer}"]
    if layer == 1:
        inputs = field.inputs if field.inputs.ndim == 3 else field.inputs[None]
        below = inputs.transpose(1, 2)
    else:
        below = forward.activations[layer - 2]
    own, lengths = weights.square().sum(2), below.square().sum(1)
    bias = forward.parameters.get(f"c{layer}")
    if bias is not None:
        own, lengths = own + bias.square(), lengths + 1.0
    return ZERO * own.sqrt()[:, :, None] * lengths.sqrt()[:, None]


def _slopes_of_row(
    net: Network,
    state: np.ndarray,
    zero: list[np.ndarray],
    preactivations: list[np.ndarray],
) -> list[np.ndarray] | None:
    """Return the slopes of one network, each (n_l, sample), or None without a consistent choice."""
    space = space_for(net)
    set_feedback(net, signs_of(net, state), space.feedback)
    # The samples of a ray and of a surface have the same sides; one of each stands for them.
    first_sample = _first_of(net.sample_ray, len(net.ray_surface))
    first_ray = _first_of(net.ray_surface, len(net.surfaces))
    modes, at_zero = np.empty(int(net.pair_at[-1]), np.int8), np.zeros(int(net.pair_at[-1]), bool)
    for layer, (z, is_zero) in enumerate(zip(preactivations, zero, strict=True), start=1):
        columns = first_sample[first_ray] if layer == 1 else first_sample
        place = slice(int(net.pair_at[layer]), int(net.pair_at[layer + 1]))
        side = np.where(z > 0.0, 1, -1)[:, columns]
        at_zero[place] = is_zero[:, columns].ravel()
        modes[place] = np.where(is_zero[:, columns], 0, side).ravel()
    if settle(net, space, state, modes, at_zero, np.empty_like(state), False)[0] < 0:
        return None
    return [_slopes_of_layer(net, space, modes, layer) for layer in range(1, len(net.sizes) - 1)]


def _slopes_of_layer(net: Network, space: Space, modes: np.ndarray, layer: int) -> np.ndarray:
    place = slice(int(net.pair_at[layer]), int(net.pair_at[layer + 1]))
    neurons = int(net.sizes[layer])
    mode = modes[place].reshape(neurons, -1)
    push, drive = (part[place].reshape(neurons, -1) for part in (space.push, space.drive))
    offset = space.offset[place].reshape(neurons, -1) if layer == 1 else 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        held = np.where(push != 0.0, (drive - offset) / push, net.leak).clip(net.leak, 1.0)
    slope = np.where(mode > 0, 1.0, np.where(mode < 0, net.leak, held))
    if layer == 1:
        slope = slope[:, net.ray_surface]
        slope = np.where(net.ray_factor > 0.0, slope, 1.0 + net.leak - slope)
    return slope[:, net.sample_ray]


def _first_of(numbers: np.ndarray, count: int) -> np.ndarray:
    """Return the first position of each of 0, ..., count - 1."""
    return np.array([int(np.flatnonzero(numbers == number)[0]) for number in range(count)])

"""Forward pass, backward pass and the motion of preactivations, with all modes locked.

A pair in mode +1 has slope 1, in mode -1 slope alpha, whatever the sign of its preactivation: the
flow under locked modes is smooth, and goes on smoothly beyond the surface. A pair in mode 0
slides: its preactivation counts as zero, and its drive u (the product of slope and signal) is
given from outside.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flowfa.flow.locked_modes.losses import ray_signals
from flowfa.flow.locked_modes.network import Network
from flowfa.machine.compiled import compiled


class Space(NamedTuple):
    """Where passes write; flat arrays over all layers as `Network.pair_at` and `ray_at` say.

    Attributes
    ----------
    z, push, offset, drive, velocity : ndarray, shape (pair,)
        Preactivations; g and (layer 1, opposite rays) the drive's part without slope, so that
        u = s push + offset; u itself; dz/dt.
    hidden, signal, slope, hidden_velocity : ndarray, shape (neuron and ray,)
        h, g, dh/dz (in layer 1 times the ray's factor), dh/dt.
    grams : ndarray, shape (L + 1, ray, ray)
        Inner products of h_l over neurons, plus 1 where layer l + 1 has a bias; 0 is not used.
    output, residual : ndarray, shape (output, ray)
    feedback : ndarray
        B + M * sign of all layers, as `Network.fixed`.
    product : ndarray
        Room for one product of (neuron, ray or surface).
    """

    z: np.ndarray
    push: np.ndarray
    offset: np.ndarray
    drive: np.ndarray
    velocity: np.ndarray
    hidden: np.ndarray
    signal: np.ndarray
    slope: np.ndarray
    hidden_velocity: np.ndarray
    grams: np.ndarray
    output: np.ndarray
    residual: np.ndarray
    feedback: np.ndarray
    product: np.ndarray


def space_for(net: Network) -> Space:
    """Return arrays for the passes of a network."""
    pairs, entries, rays = int(net.pair_at[-1]), int(net.ray_at[-1]), len(net.ray_surface)
    widest = int(net.sizes[1:].max())
    outputs = int(net.sizes[-1])
    return Space(
        np.zeros(pairs),
        np.zeros(pairs),
        np.zeros(pairs),
        np.zeros(pairs),
        np.zeros(pairs),
        np.zeros(entries),
        np.zeros(entries),
        np.zeros(entries),
        np.zeros(entries),
        np.zeros((len(net.sizes) - 1, rays, rays)),
        np.zeros((outputs, rays)),
        np.zeros((outputs, rays)),
        np.zeros(len(net.fixed)),
        np.zeros(widest * max(rays, len(net.surfaces))),
    )


@compiled(allocates=True, from_python=True)
def set_feedback(net: Network, signs: np.ndarray, feedback: np.ndarray) -> None:
    """Write B + M * sign(W)^T of all layers.

    Parameters
    ----------
    net : Network
    signs : ndarray
        Of the weights, as ``Network.signs_at`` says.
    feedback : ndarray
        Written to.
    """
    for i in range(len(feedback)):
        feedback[i] = net.fixed[i]
    for layer in range(2, len(net.sizes)):
        if net.has_signs[layer]:
            f, s = net.feedback_at[layer], net.signs_at[layer]
            for i in range(net.sizes[layer] * net.sizes[layer - 1]):
                feedback[f + i] += net.magnitudes[f + i] * signs[s + i]


@compiled(allocates=True, from_python=True)
def forward(net: Network, space: Space, state: np.ndarray, modes: np.ndarray) -> None:
    """Write preactivations, hidden activations, slopes, their Gram matrices, and the output."""
    last, rays = len(net.sizes) - 1, len(net.ray_surface)
    surfaces = len(net.surfaces)
    hidden = net.surfaces_transposed
    for layer in range(1, last + 1):
        neurons, earlier = net.sizes[layer], net.sizes[layer - 1]
        w = net.weights_at[layer]
        weights = state[w : w + neurons * earlier].reshape((neurons, earlier))
        bias_at = net.bias_at[layer]
        if layer == last:
            np.dot(weights, hidden, space.output)
            if bias_at >= 0:
                for j in range(neurons):
                    for p in range(rays):
                        space.output[j, p] += state[bias_at + j]
            return
        columns = surfaces if layer == 1 else rays
        first = net.pair_at[layer]
        z = space.z[first : first + neurons * columns].reshape((neurons, columns))
        np.dot(weights, hidden, z)
        if bias_at >= 0:
            for j in range(neurons):
                for p in range(columns):
                    z[j, p] += state[bias_at + j]
        r = net.ray_at[layer]
        above = space.hidden[r : r + neurons * rays].reshape((neurons, rays))
        slope = space.slope[r : r + neurons * rays].reshape((neurons, rays))
        for j in range(neurons):
            for p in range(rays):
                q, factor = p, 1.0
                if layer == 1:
                    q, factor = net.ray_surface[p], net.ray_factor[p]
                mode = modes[first + j * columns + q]
                if mode == 0:
                    slope[j, p], above[j, p] = 0.0, 0.0
                else:
                    side = 1.0 if (mode > 0) == (factor > 0.0) else net.leak
                    slope[j, p] = factor * side
                    above[j, p] = slope[j, p] * z[j, q]
        gram = space.grams[layer]
        np.dot(above.T, above, gram)
        if net.bias_at[layer + 1] >= 0:
            for p in range(rays):
                for q in range(rays):
                    gram[p, q] += 1.0
        hidden = above


@compiled(allocates=True)
def backward(net: Network, space: Space, state: np.ndarray, modes: np.ndarray) -> None:
    """Write signals and drives; the drives of pairs that slide stay as they are."""
    last, rays = len(net.sizes) - 1, len(net.ray_surface)
    surfaces = len(net.surfaces)
    source = space.residual
    for layer in range(last - 1, 0, -1):
        neurons, following = net.sizes[layer], net.sizes[layer + 1]
        if net.direct:
            source = space.residual
        r = net.ray_at[layer]
        signal = space.signal[r : r + neurons * rays].reshape((neurons, rays))
        share = net.share[layer + 1]
        written = False
        if net.has_fixed[layer + 1] or net.has_signs[layer + 1]:
            f = net.feedback_at[layer + 1]
            size = source.shape[0]
            matrix = space.feedback[f : f + neurons * size].reshape((neurons, size))
            np.dot(matrix, source, signal)
            written = True
        if share != 0.0:
            w = net.weights_at[layer + 1]
            weights = state[w : w + following * neurons].reshape((following, neurons))
            product = space.product[: neurons * rays].reshape((neurons, rays))
            np.dot(weights.T, source, product)
            for j in range(neurons):
                for p in range(rays):
                    kept = signal[j, p] if written else 0.0
                    signal[j, p] = kept + share * product[j, p]
        elif not written:
            for j in range(neurons):
                for p in range(rays):
                    signal[j, p] = 0.0
        first = net.pair_at[layer]
        columns = surfaces if layer == 1 else rays
        drive = space.drive[first : first + neurons * columns].reshape((neurons, columns))
        push = space.push[first : first + neurons * columns].reshape((neurons, columns))
        if layer > 1:
            for j in range(neurons):
                for p in range(rays):
                    push[j, p] = signal[j, p]
        else:
            offset = space.offset[: neurons * surfaces].reshape((neurons, surfaces))
            for j in range(neurons):
                for q in range(surfaces):
                    push[j, q], offset[j, q] = 0.0, 0.0
                for p in range(rays):
                    q, factor = net.ray_surface[p], net.ray_factor[p]
                    push[j, q] += abs(factor) * signal[j, p]
                    if factor < 0.0:
                        offset[j, q] += factor * (1.0 + net.leak) * signal[j, p]
        for j in range(neurons):
            for p in range(columns):
                mode = modes[first + j * columns + p]
                if mode != 0:
                    u = push[j, p] if mode > 0 else net.leak * push[j, p]
                    drive[j, p] = u + space.offset[j * columns + p] if layer == 1 else u
        source = drive


@compiled(allocates=True)
def weight_velocity(net: Network, space: Space, out: np.ndarray) -> None:
    """Write dW/dt and dc/dt of all layers, flat as the state; without decay."""
    last, rays = len(net.sizes) - 1, len(net.ray_surface)
    for layer in range(1, last + 1):
        neurons, earlier = net.sizes[layer], net.sizes[layer - 1]
        w = net.weights_at[layer]
        weights = out[w : w + neurons * earlier].reshape((neurons, earlier))
        columns = len(net.surfaces) if layer == 1 else rays
        drive = space.residual
        if layer < last:
            first = net.pair_at[layer]
            drive = space.drive[first : first + neurons * columns].reshape((neurons, columns))
        if layer == 1:
            np.dot(drive, net.surfaces, weights)
        else:
            r = net.ray_at[layer - 1]
            below = space.hidden[r : r + earlier * rays].reshape((earlier, rays))
            np.dot(drive, below.T, weights)
        bias_at = net.bias_at[layer]
        if bias_at >= 0:
            for j in range(neurons):
                total = 0.0
                for p in range(columns):
                    total += drive[j, p]
                out[bias_at + j] = total
        if net.rates[layer] != 1.0:
            for i in range(w, w + neurons * earlier):
                out[i] *= net.rates[layer]
            if bias_at >= 0:
                for i in range(bias_at, bias_at + neurons):
                    out[i] *= net.rates[layer]


@compiled(allocates=True)
def add_decay(net: Network, state: np.ndarray, out: np.ndarray) -> None:
    """Add what the weights' decay does to the velocity."""
    for layer in range(1, len(net.sizes)):
        if net.decay[layer] == 0.0:
            continue
        neurons, w, c = net.sizes[layer], net.weights_at[layer], net.bias_at[layer]
        for i in range(w, w + neurons * net.sizes[layer - 1]):
            out[i] -= net.decay[layer] * state[i]
        if c >= 0:
            for i in range(c, c + neurons):
                out[i] -= net.decay[layer] * state[i]


@compiled(allocates=True)
def motion(net: Network, space: Space, state: np.ndarray, modes: np.ndarray) -> None:
    """Write dz/dt of all pairs; hidden activations of pairs that slide do not move.

    Decay moves z by -lambda z, which is zero for pairs that slide.
    """
    last, rays = len(net.sizes) - 1, len(net.ray_surface)
    surfaces = len(net.surfaces)
    for layer in range(1, last):
        neurons, earlier = net.sizes[layer], net.sizes[layer - 1]
        first, r = net.pair_at[layer], net.ray_at[layer]
        columns = surfaces if layer == 1 else rays
        drive = space.drive[first : first + neurons * columns].reshape((neurons, columns))
        velocity = space.velocity[first : first + neurons * columns].reshape((neurons, columns))
        if layer == 1:
            np.dot(drive, net.gram, velocity)
        else:
            np.dot(drive, space.grams[layer - 1], velocity)
        if net.rates[layer] != 1.0:
            for j in range(neurons):
                for p in range(columns):
                    velocity[j, p] *= net.rates[layer]
        if layer > 1:
            w = net.weights_at[layer]
            weights = state[w : w + neurons * earlier].reshape((neurons, earlier))
            e = net.ray_at[layer - 1]
            below = space.hidden_velocity[e : e + earlier * rays].reshape((earlier, rays))
            product = space.product[: neurons * rays].reshape((neurons, rays))
            np.dot(weights, below, product)
            for j in range(neurons):
                for p in range(rays):
                    velocity[j, p] += product[j, p]
        decay = net.decay[layer]
        if decay != 0.0:
            z = space.z[first : first + neurons * columns].reshape((neurons, columns))
            for j in range(neurons):
                for p in range(columns):
                    if modes[first + j * columns + p] != 0:
                        velocity[j, p] -= decay * z[j, p]
        above = space.hidden_velocity[r : r + neurons * rays].reshape((neurons, rays))
        slope = space.slope[r : r + neurons * rays].reshape((neurons, rays))
        for j in range(neurons):
            for p in range(rays):
                q = net.ray_surface[p] if layer == 1 else p
                above[j, p] = slope[j, p] * velocity[j, q]


@compiled(allocates=True)
def residuals(net: Network, space: Space) -> None:
    """Write the residual signals of the output."""
    ray_signals(net, space.output, space.residual)

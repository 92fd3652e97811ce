"""Which modes the pairs at zero take, all layers together.

A pair at zero is right in mode +1 if its preactivation grows there, in mode -1 if it falls, and
slides if the slope that keeps it at zero lies in [alpha, 1]. Velocities decide, never the sign of
the signal: under feedback alignment the effective Gram matrix of a pair in an upper layer may be
negative. From the modes given, one pair after the other that is wrong is put right by its
velocities on both sides, under which the others that slide go on sliding: it takes the side on
which it moves away from zero, slope alpha where both are such (torch's convention), and slides
where neither is. The lowest layer goes first, because where all inputs of a pair vanish, the pair
is at zero through them alone; in it the worst pair. Where that does not end, the first pair goes
first (Murty's least index).
"""

from __future__ import annotations

import numpy as np

from flowfa.flow.locked_modes.network import Network
from flowfa.flow.locked_modes.passes import Space, forward
from flowfa.flow.locked_modes.sliding import evaluate, sliding_pairs
from flowfa.machine.compiled import compiled

EXIT = 1e-7
"""A sliding pair leaves when its slope is beyond [alpha, 1] by more than this."""
CHOSEN = 1e-8
"""A slope beyond by more than this is not chosen."""
BACK = 1e-10
"""A velocity counts as pushing back from this share of |g| times the pair's squared input on."""
ROUNDING = 1e-13
"""Velocities below this share of the layer's largest are rounding."""
SMALL = 1e-9
"""Signals below this share of the layer's largest are not divided by."""
BY_SIZE, ROUNDS = 40, 400
"""Rounds in which the worst pair goes first, and after which no choice is found."""


@compiled(allocates=True)
def largest_of_layers(net: Network, values: np.ndarray) -> np.ndarray:
    """Return max |value| over the pairs of each layer."""
    layers = len(net.sizes) - 1
    largest = np.zeros(layers)
    for layer in range(1, layers):
        for i in range(net.pair_at[layer], net.pair_at[layer + 1]):
            largest[layer] = max(largest[layer], abs(values[i]))
    return largest


@compiled(allocates=True)
def write_noise(net: Network, space: Space, noise: np.ndarray) -> None:
    """Write the velocity of each pair below which it counts as zero, after `evaluate`."""
    rays = len(net.ray_surface)
    speeds = largest_of_layers(net, space.velocity)
    for layer in range(1, len(net.sizes) - 1):
        first = net.pair_at[layer]
        columns = len(net.surfaces) if layer == 1 else rays
        for i in range(first, net.pair_at[layer + 1]):
            p = (i - first) % columns
            square = net.gram[p, p] if layer == 1 else space.grams[layer - 1][p, p]
            push = net.rates[layer] * abs(space.push[i])
            noise[i] = BACK * push * square + ROUNDING * speeds[layer]


@compiled(allocates=True)
def beyond(net: Network, space: Space, layer: int, pair: int, largest: float) -> float:
    """Return by how much a sliding pair's slope is beyond 1 (positive) or alpha (negative), or 0.

    Parameters
    ----------
    net : Network
    space : Space
        After `evaluate`.
    layer, pair : int
    largest : float
        max |g| of the layer.
    """
    g = space.push[pair]
    u = space.drive[pair] - (space.offset[pair] if layer == 1 else 0.0)
    if g < 0.0:
        g, u = -g, -u
    unit = max(g, SMALL * largest)
    if unit == 0.0:
        return 0.0
    over, under = (u - g) / unit, (net.leak * g - u) / unit
    if over > 0.0 and over >= under:
        return over
    return -under if under > 0.0 else 0.0


@compiled(allocates=True, from_python=True)
def settle(
    net: Network,
    space: Space,
    state: np.ndarray,
    modes: np.ndarray,
    at_zero: np.ndarray,
    out: np.ndarray,
    begins: bool,
) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Make the modes of the pairs at zero consistent, and evaluate the field under them.

    A start's modes are the sides of its preactivations; pairs at zero begin with slope alpha,
    torch's convention, which stays where both sides are consistent.

    Parameters
    ----------
    net : Network
    space : Space
    state : ndarray, shape (parameter,)
    modes : ndarray of int8, shape (pair,)
        Changed in place.
    at_zero : ndarray of bool, shape (pair,)
        The pairs that are at zero and do not slide; those that stop sliding are added.
    out : ndarray, shape (parameter,)
        The velocity under the chosen modes.
    begins : bool
        Whether modes and `at_zero` are to be read off the preactivations first.

    Returns
    -------
    tuple
        Evaluations made, -1 if no consistent choice was found; the pairs that slide then, and the
        factors and order of their system (`sliding.held_drives`).
    """
    last = len(net.sizes) - 1
    noise = np.empty(len(modes))
    # Pairs that keep their mode although they are wrong: others have to change first.
    waiting = np.zeros(len(modes), np.bool_)
    evaluations = 0
    if begins:
        for i in range(len(modes)):
            modes[i] = -1
        # From below, because modes of a layer decide on the preactivations of the next.
        for layer in range(1, last):
            forward(net, space, state, modes)
            for i in range(net.pair_at[layer], net.pair_at[layer + 1]):
                modes[i] = 1 if space.z[i] > 0.0 else -1
                at_zero[i] = space.z[i] == 0.0
    members = sliding_pairs(net, modes)
    factors, order = np.empty((0, 0)), np.empty(0, np.int64)
    for round_ in range(ROUNDS):
        evaluations += 1
        members = sliding_pairs(net, modes)
        factors, order = np.empty((len(members), len(members))), np.empty(len(members), np.int64)
        if not evaluate(net, space, state, modes, members, out, True, factors, order, True):
            return -1, members, factors, order
        signals = largest_of_layers(net, space.push)
        write_noise(net, space, noise)
        chosen, most = -1, 0.0
        for layer in range(1, last):
            if chosen >= 0:
                break
            for i in range(net.pair_at[layer], net.pair_at[layer + 1]):
                if waiting[i] or (modes[i] != 0 and not at_zero[i]):
                    continue
                if modes[i] == 0:
                    excess = beyond(net, space, layer, i, signals[layer])
                    size = abs(excess) / (CHOSEN if at_zero[i] else EXIT)
                else:
                    wrong = -modes[i] * space.velocity[i]
                    # A pair that is pushed back goes before all slopes.
                    size = 1e30 * (1.0 + wrong / noise[i]) if wrong > noise[i] else 0.0
                if size > 1.0 and (size > most or chosen < 0) and (round_ < BY_SIZE or chosen < 0):
                    chosen, most = i, size
        if chosen < 0:
            return (-1 if waiting.any() else evaluations), members, factors, order
        at_zero[chosen] = True
        old = modes[chosen]
        # Its velocities on both sides, while the others stay as they are or go on sliding.
        speed = np.zeros(2)
        known = -1
        if modes[chosen] != 0:
            known = (modes[chosen] + 1) // 2
            speed[known] = space.velocity[chosen]
        for side in range(2):
            if side == known:
                continue
            modes[chosen] = 2 * side - 1
            evaluations += 1
            others = sliding_pairs(net, modes)
            room, rows = np.empty((len(others), len(others))), np.empty(len(others), np.int64)
            if not evaluate(net, space, state, modes, others, out, True, room, rows, True):
                return -1, members, factors, order
            speed[side] = space.velocity[chosen]
        falls, grows = speed[0] <= noise[chosen], speed[1] >= -noise[chosen]
        modes[chosen] = -1 if falls else (1 if grows else 0)
        if modes[chosen] == old:
            waiting[chosen] = True
        else:
            for i in range(len(waiting)):
                waiting[i] = False
    return -1, members, factors, order

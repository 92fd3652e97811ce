"""The first event within a step: which pair or weight, and when, on the step's dense output."""

from __future__ import annotations

import numpy as np

from flowfa.flow.locked_modes.network import Network
from flowfa.flow.locked_modes.passes import Space
from flowfa.flow.locked_modes.selection import EXIT, beyond, largest_of_layers
from flowfa.flow.locked_modes.sliding import evaluate
from flowfa.machine.compiled import compiled, inlined
from flowfa.solvers.hybrid.polynomials import NONE, first_negative
from flowfa.solvers.runge_kutta.dopri5 import DOPRI5

INTERPOLANT = DOPRI5.interpolant
POWERS = INTERPOLANT.shape[1]
STAGES = INTERPOLANT.shape[0]
AT_ZERO = 1e-13
"""A preactivation below this share of the largest of its layer is at zero."""


@compiled(allocates=True)
def dense_weights(theta: float) -> np.ndarray:
    """Return the factors b_i(theta) of the stages in the dense output."""
    factors = np.zeros(STAGES)
    for i in range(STAGES):
        for q in range(POWERS - 1, -1, -1):
            factors[i] = (factors[i] + INTERPOLANT[i, q]) * theta
    return factors


@compiled(allocates=True)
def dense_state(
    state: np.ndarray, stages: np.ndarray, h: float, theta: float, out: np.ndarray
) -> None:
    """Write the state at t + theta h."""
    b = h * dense_weights(theta)
    for i in range(len(state)):
        out[i] = (
            state[i]
            + b[0] * stages[0, i]
            + b[2] * stages[2, i]
            + b[3] * stages[3, i]
            + b[4] * stages[4, i]
            + b[5] * stages[5, i]
            + b[6] * stages[6, i]
        )


@compiled(allocates=True)
def cubic_root(z0: float, v0: float, z1: float, v1: float, noise: float, slow: float) -> float:
    """Return when a value that starts at or above zero falls below, by its cubic on [0, 1].

    Parameters
    ----------
    z0, v0, z1, v1 : float
        Values and derivatives at the ends.
    noise, slow : float
        Below these sizes value and derivative at 0 count as zero.

    Returns
    -------
    float
        `NONE` if it does not.
    """
    c2 = 3.0 * (z1 - z0) - 2.0 * v0 - v1
    c3 = v0 + v1 - 2.0 * (z1 - z0)
    if abs(z0) > noise:
        return first_negative(z0, v0, c2, c3, 1.0)
    # It leaves the surface: the zero at 0 is divided out.
    if abs(v0) > slow:
        return first_negative(v0, c2, c3, 0.0, 1.0)
    if abs(c2) > slow:
        return first_negative(c2, c3, 0.0, 0.0, 1.0)
    return NONE


@compiled(allocates=True)
def layer_of(net: Network, pair: int) -> int:
    """Return the hidden layer of a pair."""
    layer = 1
    while net.pair_at[layer + 1] <= pair:
        layer += 1
    return layer


@compiled(allocates=True)
def preactivation(net: Network, state: np.ndarray, modes: np.ndarray, pair: int) -> float:
    """Return z of one pair, by a forward pass of its ray alone."""
    layer = layer_of(net, pair)
    rays, surfaces = len(net.ray_surface), len(net.surfaces)
    if layer == 1:
        j, q = (pair - net.pair_at[1]) // surfaces, (pair - net.pair_at[1]) % surfaces
        d = net.sizes[0]
        total = float(state[net.bias_at[1] + j]) if net.bias_at[1] >= 0 else 0.0
        for i in range(d):
            total += state[net.weights_at[1] + j * d + i] * net.surfaces[q, i]
        return total
    j, p = (pair - net.pair_at[layer]) // rays, (pair - net.pair_at[layer]) % rays
    hidden = net.surfaces[net.ray_surface[p]]
    for below in range(1, layer + 1):
        neurons, earlier = net.sizes[below], net.sizes[below - 1]
        w = net.weights_at[below]
        weights = state[w : w + neurons * earlier].reshape((neurons, earlier))
        if below == layer:
            bias = float(state[net.bias_at[below] + j]) if net.bias_at[below] >= 0 else 0.0
            return bias + float(np.dot(weights[j], hidden))
        z = np.dot(weights, hidden)
        columns = surfaces if below == 1 else rays
        for i in range(neurons):
            if net.bias_at[below] >= 0:
                z[i] += state[net.bias_at[below] + i]
            q, factor = p, 1.0
            if below == 1:
                q, factor = net.ray_surface[p], net.ray_factor[p]
            mode = modes[net.pair_at[below] + i * columns + q]
            side = 1.0 if (mode > 0) == (factor > 0.0) else net.leak
            z[i] = 0.0 if mode == 0 else factor * side * z[i]
        hidden = z
    return 0.0


@compiled(allocates=True)
def value_at(
    net: Network,
    state: np.ndarray,
    stages: np.ndarray,
    h: float,
    modes: np.ndarray,
    pair: int,
    weight: int,
    theta: float,
    room: np.ndarray,
) -> float:
    """Return z of a pair at t + theta h, or (``pair`` < 0) one weight."""
    if pair < 0:
        b = h * dense_weights(theta)
        total = state[weight]
        for i in range(STAGES):
            total += b[i] * stages[i, weight]
        return total
    dense_state(state, stages, h, theta, room)
    return preactivation(net, room, modes, pair)


@compiled(allocates=True)
def located(
    net: Network,
    state: np.ndarray,
    stages: np.ndarray,
    h: float,
    modes: np.ndarray,
    pair: int,
    weight: int,
    side: float,
    guess: float,
    started_at_zero: bool,
    room: np.ndarray,
) -> float:
    """Return where side times the value of a pair or weight falls below zero, to rounding.

    Parameters
    ----------
    guess : float
        The root of the cubic through the ends.
    started_at_zero : bool
        Whether the value is zero at the step's start, where it is not to be found again.

    Returns
    -------
    float
        `NONE` if the dense output, unlike the cubic, does not reach zero.
    """
    left, f_left = 0.0, 1.0
    if started_at_zero:
        left = 0.5 * guess
        f_left = side * value_at(net, state, stages, h, modes, pair, weight, left, room)
        if f_left <= 0.0:
            return left
    else:
        f_left = side * value_at(net, state, stages, h, modes, pair, weight, 0.0, room)
        if f_left <= 0.0:
            return 0.0
    right = guess
    f_right = side * value_at(net, state, stages, h, modes, pair, weight, right, room)
    reach = 1e-3
    while f_right > 0.0:
        if right >= 1.0:
            return NONE
        left, f_left = right, f_right
        right = min(1.0, right + reach)
        reach *= 4.0
        f_right = side * value_at(net, state, stages, h, modes, pair, weight, right, room)
    kept = 0
    for _ in range(80):
        if right - left <= 4e-16 * right or f_right == 0.0:
            break
        middle = left + (right - left) * f_left / (f_left - f_right)
        if not left < middle < right:
            middle = 0.5 * (left + right)
            if not left < middle < right:
                break
        value = side * value_at(net, state, stages, h, modes, pair, weight, middle, room)
        # The Illinois rule: an end that stays counts half, so that both ends come in.
        if value > 0.0:
            left, f_left = middle, value
            f_right = 0.5 * f_right if kept > 0 else f_right
            kept = 1
        else:
            right, f_right = middle, value
            f_left = 0.5 * f_left if kept < 0 else f_left
            kept = -1
    return right


@compiled(allocates=True)
def exit_excess(
    net: Network, space: Space, members: np.ndarray, signals: np.ndarray
) -> tuple[float, int]:
    """Return how far a sliding pair is from staying, and which is the farthest, after a pass.

    A pair leaves when its slope is beyond [alpha, 1] by `EXIT`, of which the excess is a multiple
    less 1, or when its signal changes its sign, so that its surface repels from then on: the
    excess is then minus the share of the signal that is left.

    Parameters
    ----------
    net : Network
    space : Space
    members : ndarray
    signals : ndarray, shape (pair,)
        g at the step's start.
    """
    largest = largest_of_layers(net, space.push)
    most, which = -1.0, -1
    for a in range(len(members)):
        layer, pair = members[a, 0], members[a, 3]
        excess = abs(beyond(net, space, layer, pair, float(largest[layer]))) / EXIT - 1.0
        if signals[pair] != 0.0:
            excess = max(excess, float(-space.push[pair] / signals[pair]))
        if excess > most:
            most, which = excess, a
    return most, which


@inlined
def locate_exit(
    net: Network,
    space: Space,
    state: np.ndarray,
    stages: np.ndarray,
    h: float,
    modes: np.ndarray,
    members: np.ndarray,
    end: float,
    room: np.ndarray,
    velocity: np.ndarray,
    factors: np.ndarray,
    order: np.ndarray,
    precision: float,
    signals: np.ndarray,
) -> tuple[float, int, int]:
    """Return when within [0, end] the first sliding pair has left, its number, and evaluations.

    At `end` one has. The time is found to `precision`, a share of the step: the flow is continuous
    there, so that its square counts. `space` is left as it is at that time.
    """
    left, right = 0.0, end
    evaluations = 0
    dense_state(state, stages, h, right, room)
    evaluate(net, space, room, modes, members, velocity, False, factors, order, False)
    f_right, which = exit_excess(net, space, members, signals)
    f_left = -1.0
    kept = 0
    while right - left > precision and evaluations < 60:
        # Slopes may jump in scale, so that every third look is at the middle.
        share = f_left / (f_left - f_right)
        middle = left + (right - left) * share
        if evaluations % 3 == 2 or not left < middle < right:
            middle = 0.5 * (left + right)
        dense_state(state, stages, h, middle, room)
        evaluate(net, space, room, modes, members, velocity, False, factors, order, False)
        most, number = exit_excess(net, space, members, signals)
        evaluations += 1
        if most > 0.0:
            right, f_right, which = middle, most, number
            f_left = 0.5 * f_left if kept > 0 else f_left
            kept = 1
        else:
            left, f_left = middle, most
            f_right = 0.5 * f_right if kept < 0 else f_right
            kept = -1
    dense_state(state, stages, h, right, room)
    evaluate(net, space, room, modes, members, velocity, False, factors, order, False)
    return right, which, evaluations + 2

"""Which preactivation or weight first changes its sign within a step, and when."""

from __future__ import annotations

import numpy as np

from flowfa.flow.locked_modes.network import Network
from flowfa.flow.locked_modes.passes import Space
from flowfa.machine.compiled import compiled
from flowfa.solvers.deep_event.locate import AT_ZERO, cubic_root, layer_of, located
from flowfa.solvers.hybrid.polynomials import NONE

CLOSE = 0.05
"""Roots of the cubics this close (as a share of the step) to the first are located too."""
TIED = 1e-13
"""Events closer together than this share of a step are at one time."""
MUTED = 3
"""Events of one pair without any progress after which it is not watched for one step."""
MOST = 64
"""Candidates that are kept, the earliest."""
NOTHING = -1
"""What stands for no event; weights of layer l stand as -l, which is at most -2."""


@compiled(allocates=True)
def sign_position(net: Network, layer: int, index: int) -> int:
    """Return where the sign of the weight with this index in W_l lies."""
    earlier = net.sizes[layer - 1]
    return net.signs_at[layer] + (index % earlier) * net.sizes[layer] + index // earlier


@compiled(allocates=True)
def candidates(
    net: Network,
    space: Space,
    state: np.ndarray,
    after: np.ndarray,
    stages: np.ndarray,
    h: float,
    modes: np.ndarray,
    signs: np.ndarray,
    z0: np.ndarray,
    v0: np.ndarray,
    slow: np.ndarray,
    stuck: np.ndarray,
    heights: np.ndarray,
    roots: np.ndarray,
    found: np.ndarray,
) -> int:
    """Write roots of the cubics through both ends, and what has them; return how many.

    Parameters are those of `first_crossing`; ``found`` receives the pair and 0, or minus the layer
    and the index of a weight, (candidate, 2).
    """
    count = 0
    if net.leak < 1.0:
        for layer in range(1, len(net.sizes) - 1):
            for i in range(net.pair_at[layer], net.pair_at[layer + 1]):
                m = float(modes[i])
                if m == 0.0 or stuck[i] > MUTED:
                    continue
                a0, a1 = m * z0[i], h * m * v0[i]
                b0, b1 = m * space.z[i], h * m * space.velocity[i]
                # Bernstein coefficients clear most pairs.
                if min(min(a0, a0 + a1 / 3.0), min(b0, b0 - b1 / 3.0)) > 0.0:
                    continue
                noise = AT_ZERO * heights[layer]
                if abs(a0) <= noise and abs(b0) <= noise:
                    # All its inputs are zero all the time.
                    continue
                root = cubic_root(a0, a1, b0, b1, noise, h * slow[i])
                if root != NONE:
                    count = keep(root, i, 0, roots, found, count)
    for layer in range(2, len(net.sizes)):
        if not net.has_signs[layer]:
            continue
        w = net.weights_at[layer]
        for index in range(net.sizes[layer] * net.sizes[layer - 1]):
            i, side = w + index, signs[sign_position(net, layer, index)]
            a0, a1 = side * state[i], h * side * stages[0, i]
            b0, b1 = side * after[i], h * side * stages[6, i]
            if min(min(a0, a0 + a1 / 3.0), min(b0, b0 - b1 / 3.0)) > 0.0:
                continue
            root = cubic_root(a0, a1, b0, b1, 0.0, 0.0)
            if root != NONE:
                count = keep(root, -layer, index, roots, found, count)
    return count


@compiled(allocates=True)
def keep(
    root: float, first: int, second: int, roots: np.ndarray, found: np.ndarray, count: int
) -> int:
    """Enter a candidate, instead of the latest one if there is no room; return how many are in."""
    at = count
    if count == len(roots):
        at = int(np.argmax(roots))
        if root >= roots[at]:
            return count
    roots[at], found[at, 0], found[at, 1] = root, first, second
    return min(count + 1, len(roots))


@compiled(allocates=True)
def first_crossing(
    net: Network,
    space: Space,
    state: np.ndarray,
    after: np.ndarray,
    stages: np.ndarray,
    h: float,
    modes: np.ndarray,
    signs: np.ndarray,
    z0: np.ndarray,
    v0: np.ndarray,
    slow: np.ndarray,
    stuck: np.ndarray,
    heights: np.ndarray,
    room: np.ndarray,
) -> tuple[float, int, int]:
    """Return when the first preactivation or weight reaches zero, and which.

    Parameters
    ----------
    net : Network
    space : Space
        After the pass at the step's end.
    state, after : ndarray, shape (parameter,)
        At the ends of the step.
    stages : ndarray, shape (7, parameter)
    h : float
    modes, signs : ndarray
    z0, v0, slow : ndarray, shape (pair,)
        Preactivations and their velocities at the step's start, and what counts as no velocity.
    stuck : ndarray of int64, shape (pair,)
        Events of each pair since time last went on.
    heights : ndarray
        max |z| of each layer at the step's start.
    room : ndarray, shape (parameter,)

    Returns
    -------
    tuple
        The share of the step, 1 without an event; the pair, minus the layer of a weight, or
        `NOTHING`; and the index of the weight.
    """
    roots, found = np.empty(MOST), np.empty((MOST, 2), np.int64)
    count = candidates(
        net,
        space,
        state,
        after,
        stages,
        h,
        modes,
        signs,
        z0,
        v0,
        slow,
        stuck,
        heights,
        roots,
        found,
    )
    theta, which = 1.0, -1
    for _ in range(count):
        # In the order of the cubics' roots, as far as they can come before the first located.
        best = -1
        for c in range(count):
            if roots[c] <= 1.0 and (best < 0 or roots[c] < roots[best]):
                best = c
        if best < 0 or roots[best] > theta + CLOSE:
            break
        guess, pair, weight = roots[best], found[best, 0], -1
        roots[best] = 2.0
        if pair >= 0:
            side = float(modes[pair])
            at_start = abs(z0[pair]) <= AT_ZERO * heights[layer_of(net, pair)]
        else:
            side = signs[sign_position(net, -pair, found[best, 1])]
            weight = net.weights_at[-pair] + found[best, 1]
            at_start = state[weight] == 0.0
        root = located(
            net, state, stages, h, modes, pair, weight, side, max(guess, 1e-300), at_start, room
        )
        if root == NONE:
            continue
        tied = which >= 0 and abs(root - theta) <= TIED
        # A pair at zero because all its inputs vanish is at zero through the layer below.
        below = tied and pair >= 0 and pair < found[which, 0]
        if below or (not tied and root < theta):
            theta, which = root, best
    if which < 0:
        return 1.0, NOTHING, 0
    return theta, found[which, 0], found[which, 1]

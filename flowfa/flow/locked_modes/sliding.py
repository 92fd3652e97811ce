"""The drives of all pairs that slide, in all layers, from one linear system.

A pair a = (layer, neuron, ray) that slides has the drive u_a that keeps its preactivation where it
is. Drives act on weights of their own layer and, through the feedback, of all layers below; these
move the preactivations of their own layer and of all layers above. With modes locked all of this
is linear, so that dz_a/dt = q_a + sum_b A_ab u_b = 0 for all sliding pairs (docs/theory/deep.md,
the coupled system):

    A_ab = sum over layers l up to the lower of the two of
           eta_l (p_a . q_b) <h_{l-1} of a's ray, of b's>

where the row p_a carries a change of layer l forward to a's preactivation, and the column q_b
carries the drive of b back to layer l. Pairs that slide pass nothing on in either direction.
"""

from __future__ import annotations

import numpy as np

from flowfa.flow.locked_modes.network import Network
from flowfa.flow.locked_modes.passes import (
    Space,
    add_decay,
    backward,
    forward,
    motion,
    residuals,
    weight_velocity,
)
from flowfa.machine.compiled import compiled

RIDGE = 1e-11
"""Added to the diagonal of the system for directions of length one, as in the hybrid solver."""
DEAD = 1e-24
"""A ray whose squared activations below are less than this share of the largest is not passed."""
EXACT = 1e-14
"""Velocities of sliding pairs that may remain, as a share of those without their drives."""
CONTRACTION = 0.3
"""Where a round leaves more than this share of the last one, the matrix is factorised."""
REFINEMENTS = 12
BLOCK = 24
"""Columns that are eliminated together."""
SINGULAR = 1e-14
"""A pivot below this share of the largest entry ends an elimination."""


@compiled(allocates=True, from_python=True)
def sliding_pairs(net: Network, modes: np.ndarray) -> np.ndarray:
    """Return the pairs in mode 0 from the last hidden layer down: (pair, [layer, j, p, flat])."""
    last, rays = len(net.sizes) - 1, len(net.ray_surface)
    count = 0
    for i in range(len(modes)):
        count += modes[i] == 0
    members = np.empty((count, 4), np.int64)
    at = 0
    for layer in range(last - 1, 0, -1):
        first = net.pair_at[layer]
        columns = len(net.surfaces) if layer == 1 else rays
        for i in range(first, net.pair_at[layer + 1]):
            if modes[i] == 0:
                members[at, 0] = layer
                members[at, 1] = (i - first) // columns
                members[at, 2] = (i - first) % columns
                members[at, 3] = i
                at += 1
    return members


@compiled(allocates=True)
def add_product(factor: float, left: np.ndarray, right: np.ndarray, out: np.ndarray) -> None:
    """Add a factor times the product of two matrices."""
    product = np.empty(out.shape)
    np.dot(left, right, product)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] += factor * product[i, j]


@compiled
def copy_into(source: np.ndarray, target: np.ndarray) -> None:
    """Copy an array's entries; numba spends seconds on compiling each assignment of a slice."""
    for i in range(len(source)):
        target[i] = source[i]


@compiled(allocates=True)
def inverse_length(gram: np.ndarray, p: int) -> float:
    """Return 1 / the length of ray p's input, or 0 where no layer below passes the ray."""
    most = 0.0
    for q in range(len(gram)):
        most = max(most, gram[q, q])
    return 1.0 / np.sqrt(gram[p, p]) if gram[p, p] > DEAD * most else 0.0


@compiled(allocates=True)
def coupling(net: Network, space: Space, state: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Return A, after `forward`."""
    last, rays = len(net.sizes) - 1, len(net.ray_surface)
    count = len(members)
    A = np.zeros((count, count))
    onward, back = np.zeros((0, 0)), np.zeros((0, 0))
    # Pairs stand in the order of their layers from above: `above` is the number of those that
    # lie above the layer, `active` that of those down to it.
    above, active = 0, 0
    for layer in range(last - 1, 0, -1):
        neurons, following = net.sizes[layer], net.sizes[layer + 1]
        above = active
        while active < count and members[active, 0] == layer:
            active += 1
        p_rows, q_rows = np.zeros((above, neurons)), np.zeros((above, neurons))
        if above > 0:
            # From the layer above down to this one: through weights, feedback, and slopes.
            w = net.weights_at[layer + 1]
            weights = state[w : w + following * neurons].reshape((following, neurons))
            add_product(1.0, onward, weights, p_rows)
            if not net.direct:
                if net.has_fixed[layer + 1] or net.has_signs[layer + 1]:
                    f = net.feedback_at[layer + 1]
                    size = neurons * following
                    matrix = space.feedback[f : f + size].reshape((neurons, following))
                    add_product(1.0, back, matrix.T, q_rows)
                if net.share[layer + 1] != 0.0:
                    add_product(net.share[layer + 1], back, weights, q_rows)
            r = net.ray_at[layer]
            slope = space.slope[r : r + neurons * rays].reshape((neurons, rays))
            for a in range(above):
                p = members[a, 2]
                for i in range(neurons):
                    p_rows[a, i] *= slope[i, p]
                    q_rows[a, i] *= slope[i, p]
        gram, rate = net.gram if layer == 1 else space.grams[layer - 1], net.rates[layer]
        input_of = np.empty(active, np.int64)
        for a in range(active):
            input_of[a] = members[a, 2]
            if layer == 1 and a < above:
                input_of[a] = net.ray_surface[members[a, 2]]
        if above > 0:
            products = np.zeros((above, above))
            add_product(rate, p_rows, q_rows.T, products)
            for a in range(above):
                for b in range(above):
                    A[a, b] += products[a, b] * gram[input_of[a], input_of[b]]
        # Rows and columns of the layer's own pairs have a single one, at their neuron.
        for a in range(above, active):
            j, ka = members[a, 1], input_of[a]
            for b in range(above):
                A[a, b] += q_rows[b, j] * (rate * gram[ka, input_of[b]])
                A[b, a] += p_rows[b, j] * (rate * gram[input_of[b], ka])
            for b in range(above, active):
                if members[b, 1] == j:
                    A[a, b] += rate * gram[ka, input_of[b]]
        if layer > 1 and active > 0:
            onward, back = np.zeros((active, neurons)), np.zeros((active, neurons))
            for a in range(above):
                for i in range(neurons):
                    onward[a, i], back[a, i] = p_rows[a, i], q_rows[a, i]
            for a in range(above, active):
                onward[a, members[a, 1]] = 1.0
                back[a, members[a, 1]] = 1.0
    return A


@compiled(allocates=True, from_python=True)
def eliminate(A: np.ndarray, order: np.ndarray) -> bool:
    """Overwrite A by its LU factors with rows in `order`; return whether it was regular.

    By blocks of columns, so that nearly all of the work is products of matrices.
    """
    n = len(A)
    largest = 0.0
    for i in range(n):
        order[i] = i
        for j in range(n):
            largest = max(largest, abs(A[i, j]))
    for first in range(0, n, BLOCK):
        stop = min(first + BLOCK, n)
        for k in range(first, stop):
            best = k
            for i in range(k + 1, n):
                if abs(A[i, k]) > abs(A[best, k]):
                    best = i
            if not abs(A[best, k]) > SINGULAR * largest:
                return False
            if best != k:
                for j in range(n):
                    A[k, j], A[best, j] = A[best, j], A[k, j]
                order[k], order[best] = order[best], order[k]
            for i in range(k + 1, n):
                factor = A[i, k] / A[k, k]
                A[i, k] = factor
                if factor != 0.0:
                    for j in range(k + 1, stop):
                        A[i, j] -= factor * A[k, j]
        if stop == n:
            break
        for k in range(first, stop):
            for i in range(k + 1, stop):
                factor = A[i, k]
                if factor != 0.0:
                    for j in range(stop, n):
                        A[i, j] -= factor * A[k, j]
        left = np.ascontiguousarray(A[stop:, first:stop])
        upper = np.ascontiguousarray(A[first:stop, stop:])
        product = np.zeros((n - stop, n - stop))
        add_product(1.0, left, upper, product)
        for i in range(stop, n):
            for j in range(stop, n):
                A[i, j] -= product[i - stop, j - stop]
    return True


@compiled(allocates=True, from_python=True)
def solve(factors: np.ndarray, order: np.ndarray, right: np.ndarray, out: np.ndarray) -> None:
    """Write the solution, after `eliminate`."""
    n = len(factors)
    for i in range(n):
        total = right[order[i]]
        for j in range(i):
            total -= factors[i, j] * out[j]
        out[i] = total
    for i in range(n - 1, -1, -1):
        total = out[i]
        for j in range(i + 1, n):
            total -= factors[i, j] * out[j]
        out[i] = total / factors[i, i]


@compiled(allocates=True)
def held_drives(
    A: np.ndarray, right: np.ndarray, factors: np.ndarray, order: np.ndarray, fresh: bool
) -> bool:
    """Solve A u = right, in place of `right`, by the factors of this or of a nearby matrix.

    Parameters
    ----------
    A : ndarray, shape (pair, pair)
        In units of directions of length one.
    right : ndarray, shape (pair,)
    factors, order : ndarray, shapes (pair, pair) and (pair,)
        Of `eliminate`; written to where `fresh`, or where those of the nearby matrix do not do.
    fresh : bool
        Whether to factorise A.

    Returns
    -------
    bool
        Whether there is a solution.
    """
    count = len(A)
    u, change, rest = np.zeros(count), np.empty(count), np.empty(count)
    size = 0.0
    for a in range(count):
        size = max(size, abs(right[a]))
    if size == 0.0:
        return True
    for attempt in range(2):
        if fresh or attempt == 1:
            for a in range(count):
                for b in range(count):
                    factors[a, b] = A[a, b]
                factors[a, a] += RIDGE if A[a, a] != 0.0 else 1.0
            if not eliminate(factors, order):
                return False
        for a in range(count):
            u[a] = 0.0
        before = np.inf
        for round_ in range(REFINEMENTS):
            most = 0.0
            for a in range(count):
                total = right[a]
                for b in range(count):
                    total -= A[a, b] * u[b]
                rest[a] = total
                most = max(most, abs(total))
            # Fresh factors leave what the ridge keeps back, which a second round takes out.
            if most <= EXACT * size or ((fresh or attempt == 1) and round_ == 2):
                copy_into(u, right)
                return True
            if not most < CONTRACTION * before:
                break
            before = most
            solve(factors, order, rest, change)
            for a in range(count):
                u[a] += change[a]
        if fresh or attempt == 1:
            copy_into(u, right)
            return True
    return True


@compiled(allocates=True, from_python=True)
def evaluate(
    net: Network,
    space: Space,
    state: np.ndarray,
    modes: np.ndarray,
    members: np.ndarray,
    out: np.ndarray,
    with_motion: bool,
    factors: np.ndarray,
    order: np.ndarray,
    fresh: bool,
) -> bool:
    """Write the velocity of the state under locked modes, with the drives that sliding takes.

    Parameters
    ----------
    net : Network
    space : Space
        Holds everything in between on return.
    state : ndarray, shape (parameter,)
    modes : ndarray of int8, shape (pair,)
    members : ndarray
        What `sliding_pairs` returns for them.
    out : ndarray, shape (parameter,)
        Written to.
    with_motion : bool
        Whether ``space.velocity`` is wanted.
    factors, order, fresh
        As `held_drives`.

    Returns
    -------
    bool
        Whether the system had a solution.
    """
    count = len(members)
    forward(net, space, state, modes)
    residuals(net, space)
    for a in range(count):
        space.drive[members[a, 3]] = 0.0
    backward(net, space, state, modes)
    if count > 0:
        motion(net, space, state, modes)
        A = coupling(net, space, state, members)
        # In units of each pair's input, so that the ridge is a share of directions of length one.
        right, unit = np.empty(count), np.empty(count)
        for a in range(count):
            layer = members[a, 0]
            gram = net.gram if layer == 1 else space.grams[layer - 1]
            unit[a] = inverse_length(gram, members[a, 2]) / np.sqrt(net.rates[layer])
        for a in range(count):
            for b in range(count):
                A[a, b] *= unit[a] * unit[b]
            right[a] = -space.velocity[members[a, 3]] * unit[a]
        if not held_drives(A, right, factors, order, fresh):
            return False
        for a in range(count):
            space.drive[members[a, 3]] = right[a] * unit[a]
        backward(net, space, state, modes)
    weight_velocity(net, space, out)
    add_decay(net, state, out)
    if with_motion:
        motion(net, space, state, modes)
    return True

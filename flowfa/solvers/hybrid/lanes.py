"""A block of neurons through one step side by side, where no event stops them.

Most neurons pass most steps without an event. What they need is the same for all of them, and
processors do it for several at once: arrays have a lane for each neuron of the block as their last
axis. Whoever may meet an event is left to `neuron.integrate_neuron`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flowfa.machine.compiled import compiled, compiled_loop, compiled_sums
from flowfa.solvers.hybrid.drives import slide
from flowfa.solvers.hybrid.events import any_exit, first_flip
from flowfa.solvers.hybrid.records import (
    FULL_A,
    FULL_U,
    L_POLY,
    LENGTH,
    MODES,
    OWN_MAGNITUDES,
    OWN_SIGNS,
    OWN_V,
    R_POLY,
    SIGNS,
    V_NODES,
    A,
    G,
    Guess,
    H,
    L,
    Layer,
    Memory,
    Path,
    R,
    Scratch,
    U,
    V,
)
from flowfa.solvers.hybrid.signals import TO_MONOMIAL


class Lanes(NamedTuple):
    """Where a block of neurons is; P surfaces, C outputs, B neurons.

    Attributes
    ----------
    zeta, side, slope : ndarray, shape (P, B)
        zeta; the mode as a number; the slope, 0 where a surface slides.
    push, rest : ndarray, shape (3, P, B)
        Coefficients of the drives' parts: u = s G + H.
    u, path : ndarray, shape (3, P, B)
        Coefficients of the drives; of K u, and then of the path of zeta.
    low : ndarray, shape (B,)
        Below it no zeta comes closer to its surface; negative where a neuron must be looked at.
    Q : ndarray, shape (C, 7, B)
        Coefficients of the out-weights' paths.
    v_at : ndarray, shape (time, C, B)
        Out-weights at the asked times, 0 for neurons that are left to the event engine.
    at : ndarray, shape (B,)
        Room for a number of each neuron.
    moved : ndarray, shape (feature, B)
        Space for E' u.
    """

    zeta: np.ndarray
    side: np.ndarray
    slope: np.ndarray
    push: np.ndarray
    rest: np.ndarray
    u: np.ndarray
    path: np.ndarray
    low: np.ndarray
    Q: np.ndarray
    v_at: np.ndarray
    at: np.ndarray
    moved: np.ndarray


@compiled_loop
def lanes_for(P: int, C: int, B: int, times: int, features: int) -> Lanes:
    """Return the space of a block; see `Lanes`."""
    return Lanes(
        np.empty((P, B)),
        np.empty((P, B)),
        np.empty((P, B)),
        np.empty((3, P, B)),
        np.zeros((3, P, B)),
        np.empty((3, P, B)),
        np.empty((3, P, B)),
        np.empty(B),
        np.empty((C, 7, B)),
        np.empty((times, C, B)),
        np.empty(B),
        np.empty((features, B)),
    )


@compiled_loop
def pass_without_events(
    layer: Layer,
    memory: Memory,
    guess: Guess,
    begin: int,
    times: np.ndarray,
    first_integral: int,
    lanes: Lanes,
    scratch: Scratch,
    total: np.ndarray,
    path: Path,
) -> None:
    """Move the neurons of a block that meet no event; `Lanes.low` tells who is left.

    Parameters
    ----------
    layer, memory, guess : Layer, Memory, Guess
    begin : int
        The block's first neuron; as many follow as there are lanes.
    times, first_integral : ndarray, int
        See `sweep.sweep`.
    lanes : Lanes
    scratch : Scratch
        Space for one neuron.
    total : ndarray, shape (time, output, sample)
        The outputs of the neurons that are moved are added.
    path : Path
        Written to.
    """
    P, B = lanes.zeta.shape
    for p in range(P):
        for i in range(B):
            lanes.zeta[p, i] = memory.zeta[begin + i, p]
            mode = memory.modes[begin + i, p]
            lanes.side[p, i] = mode
            lanes.slope[p, i] = 1.0 if mode > 0 else (layer.leak if mode < 0 else 0.0)
    _write_drives(layer, memory, guess, begin, lanes)
    _apply_gram(layer, lanes)
    for i in range(B):
        lanes.low[i] = 1.0
        for p in range(P):
            if lanes.side[p, i] == 0.0:
                # It slides: one neuron by itself.
                _slide(layer, i, lanes, scratch)
                break
    _write_paths(layer, guess.step[LENGTH], lanes)
    if layer.leak < 1.0:
        _find_suspects(lanes)
    _write_out_weights(layer, memory, guess, begin, lanes)
    if layer.signed:
        for i in range(B):
            for c in range(lanes.Q.shape[0]):
                scratch.out[OWN_V, c] = memory.weights[V, begin + i, c]
                scratch.out[OWN_SIGNS, c] = memory.weights[SIGNS, begin + i, c]
                scratch.out[OWN_MAGNITUDES, c] = layer.magnitudes[begin + i, c]
                for q in range(7):
                    scratch.Q[c, q] = lanes.Q[c, q, i]
            if first_flip(1.0, scratch)[1] >= 0:
                lanes.low[i] = -1.0
    _look(guess.step[LENGTH], begin, times, first_integral, memory, lanes, path)
    _add_outputs(layer, times, lanes, total)


@compiled_sums
def _write_drives(layer: Layer, memory: Memory, guess: Guess, begin: int, lanes: Lanes) -> None:
    """Write G, H and u = s G + H of all surfaces, 0 for those that slide."""
    P, B = lanes.zeta.shape
    push, rest, u, weights = lanes.push, lanes.rest, lanes.u, memory.weights
    for q in range(3):
        for p in range(P):
            for i in range(B):
                push[q, p, i] = 0.0
    for c in range(weights.shape[2]):
        for i in range(B):
            j = begin + i
            steady = layer.fixed[j, c] + layer.magnitudes[j, c] * weights[SIGNS, j, c]
            lanes.at[i] = steady
        for q in range(3):
            for p in range(P):
                factor = guess.drives[R_POLY, q, c, p]
                for i in range(B):
                    push[q, p, i] += factor * lanes.at[i]
        if layer.share != 0.0:
            # b moves: a product of two quadratics, taken at the nodes.
            for node in range(3):
                for i in range(B):
                    lanes.at[i] = layer.share * weights[V_NODES + node, begin + i, c]
                for q in range(3):
                    for p in range(P):
                        factor = TO_MONOMIAL[q, node] * guess.drives[R, node, c, p]
                        for i in range(B):
                            push[q, p, i] += factor * lanes.at[i]
    if layer.merged:
        _write_rest(layer, memory, guess, begin, lanes)
    for q in range(3):
        for p in range(P):
            for i in range(B):
                driven = lanes.slope[p, i] * push[q, p, i]
                if layer.merged:
                    driven += abs(lanes.side[p, i]) * rest[q, p, i]
                u[q, p, i] = driven


@compiled_sums
def _write_rest(layer: Layer, memory: Memory, guess: Guess, begin: int, lanes: Lanes) -> None:
    """Write H, as `_write_drives` writes G."""
    P, B = lanes.zeta.shape
    rest, weights = lanes.rest, memory.weights
    for q in range(3):
        for p in range(P):
            for i in range(B):
                total = 0.0
                for c in range(weights.shape[2]):
                    j = begin + i
                    steady = layer.fixed[j, c] + layer.magnitudes[j, c] * weights[SIGNS, j, c]
                    total += guess.drives[L_POLY, q, c, p] * steady
                    if layer.share != 0.0:
                        for node in range(3):
                            factor = TO_MONOMIAL[q, node] * guess.drives[L, node, c, p]
                            total += factor * layer.share * weights[V_NODES + node, j, c]
                rest[q, p, i] = total


@compiled
def _apply_gram(layer: Layer, lanes: Lanes) -> None:
    """Write K u: by K itself, or as E (E' u) where that is less work."""
    for q in range(3):
        if layer.primal:
            _multiply(layer.directions, True, lanes.u[q], lanes.moved)
            _multiply(layer.directions, False, lanes.moved, lanes.path[q])
        else:
            _multiply(layer.gram, False, lanes.u[q], lanes.path[q])


@compiled_sums
def _multiply(matrix: np.ndarray, transposed: bool, right: np.ndarray, out: np.ndarray) -> None:
    """Write a product, two rows from four at a time, so that numbers are loaded less often."""
    B, inner, rows = right.shape[1], len(right), len(out)
    for p in range(0, rows, 2):
        # The last of an odd number of rows is made twice.
        other = min(p + 1, rows - 1)
        for i in range(B):
            out[p, i] = 0.0
            out[other, i] = 0.0
        for k in range(0, inner, 4):
            a0, b0 = _entries(matrix, transposed, p, other, k)
            a1, b1 = _entries(matrix, transposed, p, other, k + 1)
            a2, b2 = _entries(matrix, transposed, p, other, k + 2)
            a3, b3 = _entries(matrix, transposed, p, other, k + 3)
            k1, k2, k3 = min(k + 1, inner - 1), min(k + 2, inner - 1), min(k + 3, inner - 1)
            for i in range(B):
                r0, r1, r2, r3 = right[k, i], right[k1, i], right[k2, i], right[k3, i]
                first = out[p, i] + ((a0 * r0 + a1 * r1) + (a2 * r2 + a3 * r3))
                second = out[other, i] + ((b0 * r0 + b1 * r1) + (b2 * r2 + b3 * r3))
                out[p, i] = first
                out[other, i] = second


@compiled
def _entries(
    matrix: np.ndarray, transposed: bool, p: int, other: int, k: int
) -> tuple[float, float]:
    """Return the entries of two rows in column k, 0 beyond the last."""
    if k >= (matrix.shape[0] if transposed else matrix.shape[1]):
        return 0.0, 0.0
    if transposed:
        return matrix[k, p], matrix[k, other]
    return matrix[p, k], matrix[other, k]


@compiled
def _slide(layer: Layer, i: int, lanes: Lanes, scratch: Scratch) -> None:
    """Add the drives of a neuron's sliding surfaces; mark it if one of them leaves."""
    P, sliding, member = len(lanes.zeta), 0, 0
    modes, u = scratch.marks[MODES], scratch.drives[FULL_U]
    for p in range(P):
        modes[p] = int(lanes.side[p, i])
        if modes[p] == 0:
            sliding, member = sliding + 1, p
            for q in range(3):
                scratch.drives[G, q, p] = lanes.push[q, p, i]
                scratch.drives[H, q, p] = lanes.rest[q, p, i]
    dependent = False
    if sliding == 1:
        for q in range(3):
            x = -lanes.path[q, member, i] / layer.gram[member, member]
            u[q, member] = x
            for p in range(P):
                lanes.path[q, p, i] += layer.gram[member, p] * x
    else:
        for q in range(3):
            for p in range(P):
                scratch.drives[U, q, p] = lanes.u[q, p, i]
                scratch.drives[A, q, p] = lanes.path[q, p, i]
        dependent = slide(layer.gram, scratch)
        for q in range(3):
            for p in range(P):
                lanes.path[q, p, i] = scratch.drives[FULL_A, q, p]
    for p in range(P):
        if modes[p] == 0:
            for q in range(3):
                lanes.u[q, p, i] = u[q, p]
    if any_exit(layer.leak, u, dependent, scratch):
        lanes.low[i] = -1.0


@compiled
def _write_paths(layer: Layer, h: float, lanes: Lanes) -> None:
    """Turn the coefficients of K u into those of the path; sliding surfaces stay."""
    P, B = lanes.zeta.shape
    for p in range(P):
        for i in range(B):
            moving = h * abs(lanes.side[p, i])
            lanes.path[0, p, i] *= moving
            lanes.path[1, p, i] *= 0.5 * moving
            lanes.path[2, p, i] *= moving / 3.0


@compiled
def _find_suspects(lanes: Lanes) -> None:
    """Lower `low` to the least of what Bernstein coefficients enclose; see `events.first_event`."""
    P, B = lanes.zeta.shape
    low = lanes.low
    for p in range(P):
        for i in range(B):
            m = lanes.side[p, i]
            c0, c1 = m * lanes.zeta[p, i], m * lanes.path[0, p, i]
            c2, c3 = m * lanes.path[1, p, i], m * lanes.path[2, p, i]
            near = c0 + c1 / 3.0
            far = c0 + (2.0 * c1 + c2) / 3.0
            least = min(min(c0, near), min(far, c0 + (c1 + (c2 + c3))))
            # What slides is looked at elsewhere. A NaN is no safe distance.
            away = least if m != 0.0 else 1.0
            low[i] = away if not away >= low[i] else low[i]


@compiled_sums
def _write_out_weights(
    layer: Layer, memory: Memory, guess: Guess, begin: int, lanes: Lanes
) -> None:
    """Write the coefficients of the out-weights' paths; see `motion.out_weights`."""
    P, B = lanes.zeta.shape
    h, path = guess.step[LENGTH], lanes.path
    for c in range(lanes.Q.shape[0]):
        Q = lanes.Q[c]
        for i in range(B):
            Q[0, i] = memory.weights[V, begin + i, c]
        for q in range(1, 7):
            for i in range(B):
                Q[q, i] = 0.0
        for p in range(P):
            f0, f1, f2 = (
                guess.drives[R_POLY, 0, c, p],
                guess.drives[R_POLY, 1, c, p],
                guess.drives[R_POLY, 2, c, p],
            )
            l0, l1, l2 = 0.0, 0.0, 0.0
            if layer.merged:
                l0, l1 = guess.drives[L_POLY, 0, c, p], guess.drives[L_POLY, 1, c, p]
                l2 = guess.drives[L_POLY, 2, c, p]
            for i in range(B):
                slope = lanes.slope[p, i]
                r0, r1, r2 = slope * f0 + l0, slope * f1 + l1, slope * f2 + l2
                z0, z1 = lanes.zeta[p, i], path[0, p, i]
                z2, z3 = path[1, p, i], path[2, p, i]
                Q[1, i] += z0 * r0
                Q[2, i] += z0 * r1 + z1 * r0
                Q[3, i] += z0 * r2 + z1 * r1 + z2 * r0
                Q[4, i] += z1 * r2 + z2 * r1 + z3 * r0
                Q[5, i] += z2 * r2 + z3 * r1
                Q[6, i] += z3 * r2
        for q in range(1, 7):
            for i in range(B):
                Q[q, i] *= h / q


@compiled_sums
def _look(
    h: float,
    begin: int,
    times: np.ndarray,
    first_integral: int,
    memory: Memory,
    lanes: Lanes,
    path: Path,
) -> None:
    """Write where the neurons are at the asked times, and at the end, if they meet no event."""
    P, B = lanes.zeta.shape
    u, step = lanes.u, lanes.path
    for t in range(len(times)):
        s = times[t]
        for c in range(lanes.Q.shape[0]):
            Q = lanes.Q[c]
            for i in range(B):
                value = Q[3, i] + s * (Q[4, i] + s * (Q[5, i] + s * Q[6, i]))
                value = Q[0, i] + s * (Q[1, i] + s * (Q[2, i] + s * value))
                path.v_at[t, begin + i, c] = value
                lanes.v_at[t, c, i] = value if lanes.low[i] > 0.0 else 0.0
        if t >= first_integral:
            s1, s2, s3 = h * s, 0.5 * h * s * s, h * s * s * s / 3.0
            for i in range(B):
                for p in range(P):
                    total = s1 * u[0, p, i] + s2 * u[1, p, i] + s3 * u[2, p, i]
                    path.Y[t - first_integral, begin + i, p] = total
    for i in range(B):
        for p in range(P):
            moved = step[0, p, i] + (step[1, p, i] + step[2, p, i])
            path.zeta[begin + i, p] = lanes.zeta[p, i] + moved
        for p in range(P):
            path.modes[begin + i, p] = memory.modes[begin + i, p]


@compiled_sums
def _add_outputs(layer: Layer, times: np.ndarray, lanes: Lanes, total: np.ndarray) -> None:
    """Add the outputs of the neurons that were moved, (time, output, sample)."""
    B, path, zeta, v = lanes.zeta.shape[1], lanes.path, lanes.zeta, lanes.v_at
    for k in range(len(layer.surface)):
        p, factor = layer.surface[k], layer.factor[k]
        for t in range(len(times)):
            s = times[t]
            for c in range(v.shape[1]):
                added = 0.0
                for i in range(B):
                    rest = path[0, p, i] + s * (path[1, p, i] + s * path[2, p, i])
                    z = factor * (zeta[p, i] + s * rest)
                    added += v[t, c, i] * max(z, layer.leak * z)
                total[t, c, k] += added

"""One neuron through one step, exactly: piecewise polynomials from event to event.

Within a step tau runs from 0 to 1 and the residual signals are quadratics in tau. Between events
the drive u is quadratic, zeta cubic and v of degree six, all known exactly; an event is a free
surface that reaches zero, a sliding one whose slope reaches an end of [alpha, 1], or (rules whose
feedback has the sign of v) an out-weight that changes its sign.
"""

from __future__ import annotations

import numpy as np

from flowfa.machine.compiled import compiled, inlined
from flowfa.solvers.hybrid.drives import (
    add_drives,
    apply_gram,
    apply_modes,
    change_mode,
    slide,
    steady_drives,
)
from flowfa.solvers.hybrid.events import first_event, first_flip
from flowfa.solvers.hybrid.modes import select_modes
from flowfa.solvers.hybrid.motion import horner, integral, out_weights, paths
from flowfa.solvers.hybrid.records import (
    BEFORE,
    DRIVE,
    FEEDBACK,
    FULL_A,
    FULL_U,
    JOINS,
    L_OUT,
    L_POLY,
    LENGTH,
    MODES,
    OWN_MAGNITUDES,
    OWN_SIGNS,
    OWN_V,
    PUSH,
    R_OUT,
    R_POLY,
    VAGUE,
    ZERO,
    ZETA,
    A,
    G,
    Guess,
    H,
    Layer,
    Scratch,
    U,
    Y,
)

CROSSINGS, SLIDINGS, EXITS, FLIPS, REPELLING, UNFINISHED = range(6)
"""Indices in the counts: events, and neurons that did not reach the end."""
TURN = 1e-2
"""A slope that leaves [alpha, 1] this close to a zero of G, in steps, does so because G turns."""
MOST_VISITS = 2
"""Times that a neuron is carried past w = 0 in one step: to the other side and back."""
PAST_ZERO = 10.0
"""How far, in units of what counts as zero."""
STORM = 1000
"""Events of one neuron within one step that count as failure."""


@inlined
def integrate_neuron(
    layer: Layer,
    guess: Guess,
    vanishing: float,
    times: np.ndarray,
    first_integral: int,
    scratch: Scratch,
) -> bool:
    """Move one neuron from tau = 0 to 1.

    Parameters
    ----------
    layer : Layer
    guess : Guess
    vanishing : float
        All preactivations at most this large are those of w = 0.
    times : ndarray, shape (time,)
        Increasing, in (0, 1]; the last is 1.
    first_integral : int
        Index of the first of `times` at which `Y_out` is wanted.
    scratch : Scratch
        `ZETA`, `MODES` and what ``out`` holds are the neuron's at 0, and at 1 on return; `G` and
        `H` its drives under the feedback at 0, which are changed; ``zeta_out``, ``v_out``,
        ``Y_out`` and ``counts`` receive what is found.

    Returns
    -------
    bool
        False if there were more than `STORM` events.
    """
    alpha, merged, moves = layer.leak, layer.merged, layer.share != 0.0
    h = guess.step[LENGTH]
    zeta, moved, vague = scratch.lines[ZETA], scratch.lines[Y], scratch.lines[VAGUE]
    v, signs = scratch.out[OWN_V], scratch.out[OWN_SIGNS]
    modes, before, path = scratch.marks[MODES], scratch.marks[BEFORE], scratch.path
    u, velocity = scratch.drives[U], scratch.drives[A]
    R_poly, L_poly = guess.drives[R_POLY], guess.drives[L_POLY]
    R_out, L_out = guess.drives[R_OUT], guess.drives[L_OUT]
    push, rest = scratch.drives[G], scratch.drives[H]
    P, C = len(zeta), len(v)
    # u with the sliding part; the same array where nothing slides.
    all_u, all_A = u, velocity
    dependent = False
    for p in range(P):
        moved[p], vague[p] = 0.0, 0.0
    sliding = apply_modes(modes, push, rest, alpha, u)
    apply_gram(layer, scratch)
    if sliding:
        all_u, all_A = scratch.drives[FULL_U], scratch.drives[FULL_A]
        dependent = slide(layer.gram, scratch)
    tau, written, visits = 0.0, 0, 0
    # With slope 0 everywhere nothing moves a neuron any more.
    stops = alpha == 0.0 and not merged
    for _ in range(STORM):
        left = 1.0 - tau
        paths(all_A, modes, alpha, h, tau, path)
        end, which = first_event(alpha, h, tau, all_u, dependent, scratch)
        out_weights(zeta, path, R_out, L_out, merged, tau, h, v, scratch.Q)
        flip = -1
        if layer.signed:
            end, flip = first_flip(end, scratch)
            which = which if flip < 0 else -1
        while written < len(times) and (times[written] <= tau + end or end == left):
            s = times[written] - tau
            for p in range(P):
                scratch.zeta_out[written, p] = zeta[p] + s * (
                    path[0, p] + s * (path[1, p] + s * path[2, p])
                )
            if written >= first_integral:
                for p in range(P):
                    added = h * integral(all_u, p, tau, s)
                    scratch.Y_out[written - first_integral, p] = moved[p] + added
            for c in range(C):
                scratch.v_out[written, c] = horner(scratch.Q[c], s)
            written += 1
        for p in range(P):
            zeta[p] += end * (path[0, p] + end * (path[1, p] + end * path[2, p]))
            moved[p] += h * integral(all_u, p, tau, end)
        for c in range(C):
            v[c] = horner(scratch.Q[c], end)
        if which < 0 and flip < 0:
            return True
        tau += end
        if flip >= 0:
            scratch.counts[FLIPS] += 1
            v[flip] = 0.0
            signs[flip] = -signs[flip]
            jump = 2.0 * scratch.out[OWN_MAGNITUDES, flip] * signs[flip]
            if moves:
                add_drives(jump, flip, R_poly, L_poly, merged, push, rest)
            else:
                scratch.out[FEEDBACK, flip] += jump
                steady_drives(scratch.out[FEEDBACK], R_poly, L_poly, merged, push, rest)
        elif modes[which] != 0:
            zeta[which] = 0.0
        _choose_modes(layer, moves, h, tau, which, flip, scratch)
        anew = flip >= 0
        if sliding_count(modes) > 0 and largest_entry(zeta) <= vanishing:
            visits += 1
            anew = anew or stops
            if stops and visits <= MOST_VISITS:
                _pass_zero(all_A, tau, vanishing, scratch)
                _choose_modes(layer, moves, h, tau, -1, -1, scratch)
            else:
                _put_to_zero(stops, scratch)
        if anew:
            sliding = apply_modes(modes, push, rest, alpha, u)
            apply_gram(layer, scratch)
        else:
            sliding = sliding_count(modes)
            for p in range(P):
                if modes[p] != before[p]:
                    change_mode(p, modes[p], layer.gram, push, rest, alpha, u, velocity)
        all_u, all_A = u, velocity
        if sliding:
            all_u, all_A = scratch.drives[FULL_U], scratch.drives[FULL_A]
            dependent = slide(layer.gram, scratch)
    return False


@compiled
def _choose_modes(
    layer: Layer, moves: bool, h: float, tau: float, which: int, flip: int, scratch: Scratch
) -> None:
    """Let all surfaces at zero choose their modes together, and count what becomes of them."""
    alpha, gram, counts = layer.leak, layer.gram, scratch.counts
    zeta, push, drive = scratch.lines[ZETA], scratch.lines[PUSH], scratch.lines[DRIVE]
    modes, before = scratch.marks[MODES], scratch.marks[BEFORE]
    joins, zero = scratch.marks[JOINS], scratch.marks[ZERO]
    g, rest = scratch.drives[G], scratch.drives[H]
    P, count = len(modes), 0
    for p in range(P):
        before[p] = modes[p]
        push[p] = g[0, p] + tau * (g[1, p] + tau * g[2, p])
        joins[p] = modes[p] == 0 or (zeta[p] == 0.0 and (p == which or flip >= 0))
        if joins[p]:
            zero[count] = p
            count += 1
    for i in range(count):
        p = zero[i]
        total = 0.0
        for q in range(P):
            driven = rest[0, q] + tau * (rest[1, q] + tau * rest[2, q])
            if not joins[q]:
                driven += (1.0 if modes[q] > 0 else alpha) * push[q]
            total += gram[p, q] * driven
        drive[i] = total
    if count:
        counts[REPELLING] += select_modes(gram, alpha, count, scratch)
    for i in range(count):
        p = zero[i]
        if before[p] != 0 and modes[p] == 0:
            counts[SLIDINGS] += 1
        elif before[p] == 0 and modes[p] != 0:
            counts[EXITS] += 1
            rising = g[1, p] + 2.0 * tau * g[2, p]
            if moves and abs(push[p]) <= TURN * rising:
                # b passes zero (under gd v does), and with it every G of this neuron: from here on
                # the surface repels, and either side is a solution. Slope alpha is taken; the
                # velocity at this moment is what interpolation leaves of zero.
                modes[p] = -1
                counts[REPELLING] += 1
                scratch.lines[VAGUE, p] = 2.0 * h * abs(push[p]) * gram[p, p]
        elif before[p] != modes[p]:
            counts[CROSSINGS] += 1


@compiled
def _pass_zero(velocity: np.ndarray, tau: float, vanishing: float, scratch: Scratch) -> None:
    """Carry a neuron that has met w = 0 past it, the way that it came.

    Where it slides on one surface less than the data have dimensions it moves along a line, on
    which w = 0 is a point like others: all surfaces that it does not slide on change their sides at
    once. Taken one after the other, in the order that rounding gives, they could leave it there. It
    is put past zero by as little as events can be told apart; if it comes back, it stays at zero.

    Parameters
    ----------
    velocity : ndarray, shape (3, surface)
        Coefficients of the velocity of zeta with which it came.
    tau, vanishing : float
    scratch : Scratch
        `BEFORE` holds the modes with which it came.
    """
    zeta, modes = scratch.lines[ZETA], scratch.marks[MODES]
    largest = 0.0
    for p in range(len(zeta)):
        zeta[p] = velocity[0, p] + tau * (velocity[1, p] + tau * velocity[2, p])
        if scratch.marks[BEFORE, p] == 0:
            zeta[p] = 0.0
        largest = max(largest, abs(zeta[p]))
    for p in range(len(zeta)):
        modes[p] = 1 if zeta[p] > 0.0 else (-1 if zeta[p] < 0.0 else 0)
        if largest > 0.0:
            zeta[p] *= PAST_ZERO * vanishing / largest


@compiled
def _put_to_zero(stops: bool, scratch: Scratch) -> None:
    """Put a neuron whose sliding surfaces span the data to w = 0, for good where it stops."""
    zeta, modes, repels = scratch.lines[ZETA], scratch.marks[MODES], False
    for p in range(len(zeta)):
        repels = repels or (zeta[p] != 0.0 and scratch.lines[PUSH, p] > 0.0)
        zeta[p] = 0.0
        if stops:
            modes[p] = -1
    scratch.counts[REPELLING] += repels


@compiled
def sliding_count(modes: np.ndarray) -> int:
    """Return how many surfaces slide."""
    count = 0
    for p in range(len(modes)):
        count += modes[p] == 0
    return count


@compiled
def largest_entry(zeta: np.ndarray) -> float:
    """Return max |zeta|."""
    most = 0.0
    for p in range(len(zeta)):
        most = max(most, abs(zeta[p]))
    return most

"""One neuron through one step, exactly: piecewise polynomials from event to event.

Within a step tau runs from 0 to 1 and the residual signals are quadratics in tau. Between events
the drive u is quadratic, zeta cubic and v of degree six, all known exactly; an event is a free
surface that reaches zero, a sliding one whose slope reaches an end of [alpha, 1], or (rules whose
feedback has the sign of v) an out-weight that changes its sign.
"""

from __future__ import annotations

import numpy as np

from flowfa.machine.compiled import compiled
from flowfa.solvers.hybrid.drives import (
    add_drives,
    apply_gram,
    apply_modes,
    change_mode,
    slide,
    steady_drives,
)
from flowfa.solvers.hybrid.modes import RIDGE, select_modes
from flowfa.solvers.hybrid.motion import horner, integral, out_weights, paths
from flowfa.solvers.hybrid.polynomials import NONE, first_negative, first_sign_change

CROSSINGS, SLIDINGS, EXITS, FLIPS, REPELLING = 0, 1, 2, 3, 4
"""Indices in the event counts."""
HYSTERESIS = 1e-7
"""A sliding surface leaves only when its slope is beyond the end by this share of |G|."""
HYSTERESIS_IF_DEPENDENT = 1e-4
"""The same in linearly dependent sliding sets, whose single slopes are known to 1e-16 / RIDGE."""
NOISE = 1e-12 + 4.0 * RIDGE
"""A velocity of zeta is known to this share of max |u|."""
TURN = 1e-2
"""A slope that leaves [alpha, 1] this close to a zero of G, in steps, does so because G turns."""
STORM = 1000
"""Events of one neuron within one step that count as failure."""


@compiled
def first_event(
    zeta: np.ndarray,
    path: np.ndarray,
    modes: np.ndarray,
    alpha: float,
    tau: float,
    G: np.ndarray,
    H: np.ndarray,
    u: np.ndarray,
    h: float,
    dependent: bool,
    vague: np.ndarray,
    suspects: np.ndarray,
) -> tuple[float, int]:
    """Return how long the modes stay consistent from tau on, and the surface that ends it."""
    end, which = 1.0 - tau, -1
    if alpha == 1.0:
        return end, which
    # Bernstein coefficients on the rest of the step enclose the values: most surfaces are cleared
    # by their signs, in a loop without branches.
    third = end / 3.0
    for p in range(len(modes)):
        m = float(modes[p])
        c0, c1, c2, c3 = m * zeta[p], m * path[0, p], m * path[1, p], m * path[2, p]
        low = c0 + third * c1
        high = c0 + third * (2.0 * c1 + end * c2)
        suspects[p] = min(min(c0, low), min(high, c0 + end * (c1 + end * (c2 + end * c3))))
    hysteresis = HYSTERESIS_IF_DEPENDENT if dependent else HYSTERESIS
    suspicious = 0
    for p in range(len(modes)):
        suspicious += not suspects[p] > 0.0
    if suspicious == 0:
        return end, which
    for p in range(len(modes)):
        if suspects[p] > 0.0:
            continue
        if modes[p] == 0:
            s = first_exit(p, tau, alpha, G, H, u, hysteresis, end)
        else:
            m = float(modes[p])
            c0, c1, c2, c3 = m * zeta[p], m * path[0, p], m * path[1, p], m * path[2, p]
            if c0 != 0.0:
                s = first_negative(c0, c1, c2, c3, end)
            else:
                # It leaves the surface: the zero at s = 0 is divided out. A velocity below the
                # noise is made of rounding and of the ridge.
                noise = NOISE * h * largest(u)
                if abs(c1) > max(noise, vague[p]):
                    s = first_negative(c1, c2, c3, 0.0, end)
                else:
                    s = first_negative(c2, c3, 0.0, 0.0, end) if abs(c2) > noise else NONE
        if s >= 0.0 and s < end:
            end, which = s, p
    return end, which


@compiled
def largest(u: np.ndarray) -> float:
    """Return max |u|."""
    most = 0.0
    for q in range(u.shape[0]):
        for p in range(u.shape[1]):
            most = max(most, abs(u[q, p]))
    return most


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


@compiled
def first_exit(
    p: int,
    tau: float,
    alpha: float,
    G: np.ndarray,
    H: np.ndarray,
    u: np.ndarray,
    hysteresis: float,
    end: float,
) -> float:
    """Return when the slope of a sliding surface reaches an end of [alpha, 1], or `NONE`."""
    g0 = G[0, p] + tau * (G[1, p] + tau * G[2, p])
    g1, g2 = G[1, p] + 2.0 * tau * G[2, p], G[2, p]
    w0 = u[0, p] - H[0, p] + tau * (u[1, p] - H[1, p] + tau * (u[2, p] - H[2, p]))
    w1 = u[1, p] - H[1, p] + 2.0 * tau * (u[2, p] - H[2, p])
    w2 = u[2, p] - H[2, p]
    slack = hysteresis * (abs(G[0, p]) + abs(G[1, p]) + abs(G[2, p]))
    # w is not divided by G, which may vanish: with G < 0, alpha G >= w >= G.
    upper = first_negative(w0 - g0 + slack, w1 - g1, w2 - g2, 0.0, end)
    if upper >= 0.0:
        end = upper
    lower = first_negative(alpha * g0 - w0 + slack, alpha * g1 - w1, alpha * g2 - w2, 0.0, end)
    return lower if lower >= 0.0 else upper


@compiled
def integrate_neuron(
    gram: np.ndarray,
    directions: np.ndarray,
    moved: np.ndarray,
    alpha: float,
    h: float,
    vanishing: float,
    moves: bool,
    magnitudes: np.ndarray,
    R_poly: np.ndarray,
    L_poly: np.ndarray,
    merged: bool,
    G: np.ndarray,
    H: np.ndarray,
    zeta: np.ndarray,
    v: np.ndarray,
    modes: np.ndarray,
    signs: np.ndarray,
    times: np.ndarray,
    first_integral: int,
    zeta_out: np.ndarray,
    v_out: np.ndarray,
    Y_out: np.ndarray,
    counts: np.ndarray,
    work: np.ndarray,
    Q: np.ndarray,
    feedback: np.ndarray,
    indices: np.ndarray,
    small: np.ndarray,
    matrix: np.ndarray,
    right: np.ndarray,
) -> bool:
    """Move one neuron from tau = 0 to 1.

    Parameters
    ----------
    gram : ndarray, shape (surface, surface)
        K.
    directions : ndarray, shape (surface, feature)
        E, with K = E E'.
    moved : ndarray, shape (3, feature or 0)
        Space for E' u, empty if K is applied by itself.
    alpha, h : float
        Leak, and length of the step in time.
    vanishing : float
        All preactivations at most this large are those of w = 0.
    moves : bool
        Whether the feedback has a part a v, and so moves within the step.
    magnitudes : ndarray, shape (output,)
        M of the feedback's form: its part that has the sign of v.
    R_poly, L_poly : ndarray, shape (3, output, surface)
        Coefficients of the residual signals.
    merged : bool
        Whether L can be anything but zero.
    G, H : ndarray, shape (3, surface)
        Drives under the feedback at tau = 0; changed.
    zeta, v, modes, signs : ndarray
        State at 0, (surface,), (output,), (surface,), (output,); at 1 on return.
    times : ndarray
        Increasing, in (0, 1]; the last is 1.
    first_integral : int
        Index of the first of `times` at which `Y_out` is wanted.
    zeta_out, v_out, Y_out : ndarray
        Values at `times`: (time, surface), (time, output), and the integrals of u over time,
        (time - first_integral, surface).
    counts : ndarray of int64
        Event counts, added to.
    work : ndarray, shape (22, surface)
    Q : ndarray, shape (output + 2, 7)
    feedback : ndarray, shape (3, output)
    indices, small : ndarray of int64 and int8, shapes (4, surface) and (3, surface)
    matrix, right : ndarray, shapes (surface, surface) and (surface, 3)
        Space to work in.

    Returns
    -------
    bool
        False if there were more than `STORM` events.
    """
    P, C = len(zeta), len(v)
    u, A, path = work[0:3], work[3:6], work[6:10]
    # u and A with the sliding part; the same arrays where nothing slides.
    all_u, all_A = u, A
    dependent = False
    Y, push, drive, suspects = work[16], work[17], work[18], work[19]
    # Velocities that count as zero at surfaces that were left because G turned; see below.
    vague, y = work[20], work[21]
    zero, members, boxed, free = indices[0], indices[1], indices[2], indices[3]
    before, state, joins = small[0], small[1], small[2]
    for p in range(P):
        Y[p], vague[p] = 0.0, 0.0
    sliding = apply_modes(modes, G, H, alpha, u)
    apply_gram(gram, directions, moved, u, A)
    if sliding:
        all_u, all_A = work[10:13], work[13:16]
        dependent = slide(modes, gram, u, A, sliding, all_u, all_A, members, matrix, right)
    signed, enclosure = Q[C], Q[C + 1]
    tau, written = 0.0, 0
    for _ in range(STORM):
        left = 1.0 - tau
        paths(all_A, modes, alpha, h, tau, path)
        end, which = first_event(
            zeta, path, modes, alpha, tau, G, H, all_u, h, dependent, vague, suspects
        )
        out_weights(zeta, path, R_poly, L_poly, merged, tau, h, v, Q)
        flip = -1
        for c in range(C):
            if magnitudes[c] == 0.0:
                continue
            start = 1 if v[c] == 0.0 else 0
            for q in range(start, 7):
                signed[q - start] = signs[c] * Q[c, q]
            s = first_sign_change(signed, 6 - start, end, enclosure)
            if s >= 0.0 and s < end:
                end, which, flip = s, -1, c
        while written < len(times) and (times[written] <= tau + end or end == left):
            s = times[written] - tau
            for p in range(P):
                zeta_out[written, p] = zeta[p] + s * (
                    path[0, p] + s * (path[1, p] + s * path[2, p])
                )
            if written >= first_integral:
                for p in range(P):
                    Y_out[written - first_integral, p] = Y[p] + h * integral(all_u, p, tau, s)
            for c in range(C):
                v_out[written, c] = horner(Q[c], s)
            written += 1
        for p in range(P):
            zeta[p] += end * (path[0, p] + end * (path[1, p] + end * path[2, p]))
            Y[p] += h * integral(all_u, p, tau, end)
        for c in range(C):
            v[c] = horner(Q[c], end)
        if which < 0 and flip < 0:
            return True
        tau += end
        if flip >= 0:
            counts[FLIPS] += 1
            v[flip] = 0.0
            signs[flip] = -signs[flip]
            jump = 2.0 * magnitudes[flip] * signs[flip]
            if moves:
                add_drives(jump, flip, R_poly, L_poly, merged, G, H)
            else:
                feedback[0, flip] += jump
                steady_drives(feedback, R_poly, L_poly, merged, G, H)
        elif modes[which] != 0:
            zeta[which] = 0.0
        # All surfaces at zero choose their modes together.
        count = 0
        for p in range(P):
            before[p] = modes[p]
            push[p] = G[0, p] + tau * (G[1, p] + tau * G[2, p])
            joins[p] = modes[p] == 0 or (zeta[p] == 0.0 and (p == which or flip >= 0))
            if joins[p]:
                zero[count] = p
                count += 1
        for i in range(count):
            p = zero[i]
            total = 0.0
            for q in range(P):
                driven = H[0, q] + tau * (H[1, q] + tau * H[2, q])
                if not joins[q]:
                    driven += (1.0 if modes[q] > 0 else alpha) * push[q]
                total += gram[p, q] * driven
            drive[i] = total
        if count:
            counts[REPELLING] += select_modes(
                gram,
                zero,
                count,
                push,
                modes,
                drive,
                alpha,
                y,
                state,
                boxed,
                free,
                matrix,
                right,
            )
        for i in range(count):
            p = zero[i]
            if before[p] != 0 and modes[p] == 0:
                counts[SLIDINGS] += 1
            elif before[p] == 0 and modes[p] != 0:
                counts[EXITS] += 1
                rising = G[1, p] + 2.0 * tau * G[2, p]
                if moves and abs(push[p]) <= TURN * rising:
                    # b passes zero (under gd v does), and with it every G of this neuron: from
                    # here on the surface repels, and either side is a solution. Slope alpha is
                    # taken; the velocity at this moment is what interpolation leaves of zero.
                    modes[p] = -1
                    counts[REPELLING] += 1
                    vague[p] = 2.0 * h * abs(push[p]) * gram[p, p]
            elif before[p] != modes[p]:
                counts[CROSSINGS] += 1
        dead = False
        if sliding_count(modes) and largest_entry(zeta) <= vanishing:
            # The sliding surfaces span the data: w is zero, and so is every zeta, up to rounding.
            repels, dead = False, alpha == 0.0 and not merged
            for p in range(P):
                repels = repels or (zeta[p] != 0.0 and push[p] > 0.0)
                zeta[p] = 0.0
                if dead:
                    # With slope 0 everywhere nothing moves the neuron any more.
                    modes[p] = -1
            counts[REPELLING] += repels
        if flip >= 0 or dead:
            sliding = apply_modes(modes, G, H, alpha, u)
            apply_gram(gram, directions, moved, u, A)
        else:
            sliding = sliding_count(modes)
            for p in range(P):
                if modes[p] != before[p]:
                    change_mode(p, int(modes[p]), gram, G, H, alpha, u, A)
        all_u, all_A = u, A
        if sliding:
            all_u, all_A = work[10:13], work[13:16]
            dependent = slide(modes, gram, u, A, sliding, all_u, all_A, members, matrix, right)
    return False

"""One neuron through one step, exactly: piecewise polynomials from event to event.

Within a step tau runs from 0 to 1 and the residual signals are quadratics in tau. Between events
the drive u is quadratic, zeta cubic and v of degree six, all known exactly; an event is a free
surface that reaches zero, a sliding one whose slope reaches an end of [alpha, 1], or (rules whose
feedback has the sign of v) an out-weight that changes its sign.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from flowfa.flow.hybrid.modes import RIDGE, factorise, select_modes, solve_factorised
from flowfa.flow.hybrid.polynomials import first_negative, first_sign_change

FIXED, OWN, SIGN = 0, 1, 2
"""Where a neuron's feedback comes from: constant, v itself (gd), or magnitudes times sign v."""
CROSSINGS, SLIDINGS, EXITS, FLIPS, REPELLING = 0, 1, 2, 3, 4
"""Places in the event counts."""
HYSTERESIS = 1e-7
"""A sliding surface leaves only when its slope is beyond the end by this share of |G|."""
TURN = 1e-2
"""A slope that leaves [alpha, 1] this close to a zero of G, in steps, does so because G turns."""
STORM = 1000
"""Events of one neuron within one step that count as failure."""


@njit(cache=True)
def drives(
    feedback: np.ndarray,
    R: np.ndarray,
    L: np.ndarray,
    to_monomial: np.ndarray,
    G: np.ndarray,
    H: np.ndarray,
) -> None:
    """Write the coefficients of G_p = b . R_p and H_p = b . L_p.

    Parameters
    ----------
    feedback : ndarray, shape (3, output)
        b at the nodes.
    R, L : ndarray, shape (3, surface, output)
        Residual signals at the nodes.
    to_monomial : ndarray, shape (3, 3)
        From values at the nodes to coefficients.
    G, H : ndarray, shape (3, surface)
        Written to.
    """
    G[:] = 0.0
    H[:] = 0.0
    for i in range(3):
        for p in range(R.shape[1]):
            g, h = 0.0, 0.0
            for c in range(R.shape[2]):
                g += feedback[i, c] * R[i, p, c]
                h += feedback[i, c] * L[i, p, c]
            for q in range(3):
                G[q, p] += to_monomial[q, i] * g
                H[q, p] += to_monomial[q, i] * h


@njit(cache=True)
def apply_modes(
    modes: np.ndarray, G: np.ndarray, H: np.ndarray, alpha: float, u: np.ndarray
) -> int:
    """Write u = s G + H for surfaces that do not slide, 0 for those that do; count the latter."""
    sliding = 0
    for p in range(len(modes)):
        if modes[p] == 0:
            sliding += 1
            for q in range(3):
                u[q, p] = 0.0
        else:
            slope = 1.0 if modes[p] > 0 else alpha
            for q in range(3):
                u[q, p] = slope * G[q, p] + H[q, p]
    return sliding


@njit(cache=True)
def slide(
    modes: np.ndarray, gram: np.ndarray, u: np.ndarray, A: np.ndarray, scale: float, sliding: int
) -> None:
    """Add the sliding part: u_F with (K u)_F = 0, to u and to A = K u.

    Parameters
    ----------
    modes : ndarray of int8, shape (surface,)
    gram : ndarray, shape (surface, surface)
    u, A : ndarray, shape (3, surface)
        With u_F = 0 on entry.
    scale : float
        Largest diagonal entry of `gram`.
    sliding : int
        Number of sliding surfaces, at least one.
    """
    members = np.empty(sliding, np.int64)
    size = 0
    for p in range(len(modes)):
        if modes[p] == 0:
            members[size] = p
            size += 1
    matrix = np.empty((size, size))
    right = np.empty((size, 3))
    for i in range(size):
        for j in range(size):
            matrix[i, j] = gram[members[i], members[j]]
        matrix[i, i] += RIDGE * scale
    factorise(matrix, size)
    # The second round takes out what the ridge leaves of (K u)_F.
    for _ in range(2):
        for i in range(size):
            for q in range(3):
                right[i, q] = -A[q, members[i]]
        solve_factorised(matrix, right, size)
        for i in range(size):
            for q in range(3):
                x = right[i, q]
                u[q, members[i]] += x
                for p in range(len(modes)):
                    A[q, p] += gram[members[i], p] * x


@njit(cache=True)
def integrate_neuron(
    gram: np.ndarray,
    scale: float,
    alpha: float,
    h: float,
    kind: int,
    magnitudes: np.ndarray,
    R: np.ndarray,
    L: np.ndarray,
    R_poly: np.ndarray,
    L_poly: np.ndarray,
    to_monomial: np.ndarray,
    G: np.ndarray,
    H: np.ndarray,
    u: np.ndarray,
    A: np.ndarray,
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
) -> bool:
    """Move one neuron from tau = 0 to 1.

    Parameters
    ----------
    gram : ndarray, shape (surface, surface)
        K.
    scale : float
        Largest diagonal entry of K.
    alpha, h : float
        Leak, and length of the step in time.
    kind : int
        `FIXED`, `OWN` or `SIGN`.
    magnitudes : ndarray, shape (output,)
        Of the feedback, if it has the sign of v.
    R, L : ndarray, shape (3, surface, output)
        Residual signals at the nodes.
    R_poly, L_poly : ndarray, shape (3, surface, output)
        Their coefficients.
    to_monomial : ndarray, shape (3, 3)
    G, H, u, A : ndarray, shape (3, surface)
        Drives and A = K u, without the sliding part; changed.
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
    work : ndarray, shape (4, surface)

    Returns
    -------
    bool
        False if there were more than `STORM` events.
    """
    P, C = R.shape[1], R.shape[2]
    Y = work[3]
    Y[:] = 0.0
    Q = np.zeros((C, 7))
    sliding = 0
    for p in range(P):
        if modes[p] == 0:
            sliding += 1
    if sliding:
        slide(modes, gram, u, A, scale, sliding)
    tau, written = 0.0, 0
    zero = np.empty(P, np.int64)
    drive = np.empty(P)
    push = np.empty(P)
    # Velocities that count as zero at surfaces just left where G vanished; see below.
    vague = np.zeros(P)
    for _ in range(STORM):
        left = 1.0 - tau
        # zeta on this piece, in s = tau' - tau.
        biggest = 0.0
        for p in range(P):
            work[0, p] = h * (A[0, p] + tau * (A[1, p] + tau * A[2, p]))
            work[1, p] = 0.5 * h * (A[1, p] + 2.0 * tau * A[2, p])
            work[2, p] = h * A[2, p] / 3.0
            for q in range(3):
                biggest = max(biggest, abs(u[q, p]))
        # Below this a velocity at zeta = 0 is rounding and ridge noise, not a velocity.
        noise = h * (1e-12 + 4.0 * RIDGE) * biggest * scale
        end, which, flip = left, -1, -1
        for p in range(P):
            if modes[p] == 0:
                g0 = G[0, p] + tau * (G[1, p] + tau * G[2, p])
                g1, g2 = G[1, p] + 2.0 * tau * G[2, p], G[2, p]
                w0 = u[0, p] - H[0, p] + tau * (u[1, p] - H[1, p] + tau * (u[2, p] - H[2, p]))
                w1 = u[1, p] - H[1, p] + 2.0 * tau * (u[2, p] - H[2, p])
                w2 = u[2, p] - H[2, p]
                slack = HYSTERESIS * (abs(G[0, p]) + abs(G[1, p]) + abs(G[2, p]))
                s = first_negative(w0 - g0 + slack, w1 - g1, w2 - g2, 0.0, end)
                if s >= 0.0 and s < end:
                    end, which = s, p
                s = first_negative(
                    alpha * g0 - w0 + slack, alpha * g1 - w1, alpha * g2 - w2, 0.0, end
                )
                if s >= 0.0 and s < end:
                    end, which = s, p
                continue
            m = 1.0 if modes[p] > 0 else -1.0
            c0, c1, c2, c3 = m * zeta[p], m * work[0, p], m * work[1, p], m * work[2, p]
            if c0 == 0.0:
                # Leaving the surface: the zero at s = 0 is divided out.
                if abs(c1) <= max(noise, vague[p]):
                    s = first_negative(c2, c3, 0.0, 0.0, end) if abs(c2) > noise else -1.0
                else:
                    s = first_negative(c1, c2, c3, 0.0, end)
            else:
                s = first_negative(c0, c1, c2, c3, end)
            if s >= 0.0 and s < end:
                end, which = s, p
        # v on this piece: coefficients of s^1 .. s^6.
        Q[:] = 0.0
        for p in range(P):
            if modes[p] == 0:
                continue
            slope = 1.0 if modes[p] > 0 else alpha
            z0, z1, z2, z3 = zeta[p], work[0, p], work[1, p], work[2, p]
            for c in range(C):
                r2 = slope * R_poly[2, p, c] + L_poly[2, p, c]
                r1 = slope * R_poly[1, p, c] + L_poly[1, p, c]
                r0 = slope * R_poly[0, p, c] + L_poly[0, p, c] + tau * (r1 + tau * r2)
                r1 = r1 + 2.0 * tau * r2
                Q[c, 1] += z0 * r0
                Q[c, 2] += z0 * r1 + z1 * r0
                Q[c, 3] += z0 * r2 + z1 * r1 + z2 * r0
                Q[c, 4] += z1 * r2 + z2 * r1 + z3 * r0
                Q[c, 5] += z2 * r2 + z3 * r1
                Q[c, 6] += z3 * r2
        for c in range(C):
            for q in range(1, 7):
                Q[c, q] *= h / q
            Q[c, 0] = v[c]
        if kind == SIGN:
            for c in range(C):
                if v[c] == 0.0:
                    s = first_sign_change(signs[c] * Q[c, 1:], end)
                else:
                    s = first_sign_change(signs[c] * Q[c], end)
                if s >= 0.0 and s < end:
                    end, which, flip = s, -1, c
        while written < len(times) and (times[written] <= tau + end or end == left):
            s = times[written] - tau
            for p in range(P):
                zeta_out[written, p] = (
                    0.0
                    if modes[p] == 0
                    else zeta[p] + s * (work[0, p] + s * (work[1, p] + s * work[2, p]))
                )
                if written >= first_integral:
                    Y_out[written - first_integral, p] = Y[p] + h * integral(u, p, tau, s)
            for c in range(C):
                v_out[written, c] = horner(Q[c], s)
            written += 1
        for p in range(P):
            if modes[p] != 0:
                zeta[p] += end * (work[0, p] + end * (work[1, p] + end * work[2, p]))
            Y[p] += h * integral(u, p, tau, end)
        for c in range(C):
            v[c] = horner(Q[c], end)
        if which < 0 and flip < 0:
            return True
        tau += end
        if flip >= 0:
            counts[FLIPS] += 1
            v[flip] = 0.0
            signs[flip] = -signs[flip]
            feedback = np.empty((3, C))
            for i in range(3):
                for c in range(C):
                    feedback[i, c] = magnitudes[c] * signs[c]
            drives(feedback, R, L, to_monomial, G, H)
        else:
            if modes[which] != 0:
                zeta[which] = 0.0
        # All surfaces at zero choose their modes together.
        count = 0
        for p in range(P):
            push[p] = G[0, p] + tau * (G[1, p] + tau * G[2, p])
            if modes[p] == 0 or (zeta[p] == 0.0 and (p == which or flip >= 0)):
                zero[count] = p
                count += 1
        before = modes.copy()
        if count:
            for i in range(count):
                p = zero[i]
                total = 0.0
                for q in range(P):
                    own = H[0, q] + tau * (H[1, q] + tau * H[2, q])
                    if modes[q] != 0 and not (zeta[q] == 0.0 and (q == which or flip >= 0)):
                        own += (1.0 if modes[q] > 0 else alpha) * push[q]
                    total += gram[p, q] * own
                drive[i] = total
            counts[REPELLING] += select_modes(gram, zero, count, push, modes, drive, alpha, scale)
            for i in range(count):
                p = zero[i]
                if before[p] != 0 and modes[p] == 0:
                    counts[SLIDINGS] += 1
                elif before[p] == 0 and modes[p] != 0:
                    counts[EXITS] += 1
                    rising = G[1, p] + 2.0 * tau * G[2, p]
                    if kind == OWN and abs(push[p]) <= TURN * rising:
                        # v passes zero, and with it every G of this neuron: from here on the
                        # surface repels, and either side is a solution. Slope alpha is taken;
                        # the velocity at this moment is what interpolation leaves of zero.
                        modes[p] = -1
                        counts[REPELLING] += 1
                        vague[p] = 2.0 * h * abs(push[p]) * gram[p, p]
                elif before[p] != modes[p]:
                    counts[CROSSINGS] += 1
        sliding = apply_modes(modes, G, H, alpha, u)
        for q in range(3):
            for p in range(P):
                A[q, p] = 0.0
            for k in range(P):
                x = u[q, k]
                if x != 0.0:
                    for p in range(P):
                        A[q, p] += gram[k, p] * x
        if sliding:
            slide(modes, gram, u, A, scale, sliding)
    return False


@njit(cache=True)
def integral(u: np.ndarray, p: int, tau: float, s: float) -> float:
    """Return the integral of u_p from tau to tau + s."""
    u0 = u[0, p] + tau * (u[1, p] + tau * u[2, p])
    return s * (u0 + s * (0.5 * (u[1, p] + 2.0 * tau * u[2, p]) + s * u[2, p] / 3.0))


@njit(cache=True)
def horner(coefficients: np.ndarray, x: float) -> float:
    """Return the value of a polynomial, coefficients from the constant up."""
    total = 0.0
    for q in range(len(coefficients) - 1, -1, -1):
        total = total * x + coefficients[q]
    return total

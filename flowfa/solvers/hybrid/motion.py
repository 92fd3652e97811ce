"""Where one neuron goes between two events: zeta cubic and v of degree six in time, exactly."""

from __future__ import annotations

import numpy as np

from flowfa.machine.compiled import compiled


@compiled
def paths(
    A: np.ndarray, modes: np.ndarray, alpha: float, h: float, tau: float, path: np.ndarray
) -> None:
    """Write the coefficients of s, s^2, s^3 of zeta(tau + s), and the slopes as row 3.

    Sliding surfaces stay where they are: their coefficients are zero, not rounding.
    """
    for p in range(len(modes)):
        moving = 0.0 if modes[p] == 0 else h
        path[0, p] = moving * (A[0, p] + tau * (A[1, p] + tau * A[2, p]))
        path[1, p] = 0.5 * moving * (A[1, p] + 2.0 * tau * A[2, p])
        path[2, p] = moving * A[2, p] / 3.0
        path[3, p] = 1.0 if modes[p] > 0 else (alpha if modes[p] < 0 else 0.0)


@compiled(reassociates=True)
def out_weights(
    zeta: np.ndarray,
    path: np.ndarray,
    R_out: np.ndarray,
    L_out: np.ndarray,
    merged: bool,
    tau: float,
    h: float,
    v: np.ndarray,
    Q: np.ndarray,
) -> None:
    """Write the coefficients of v_c(tau + s), s^0 .. s^6: the integral of sigma(zeta) . R."""
    for c in range(len(v)):
        q1, q2, q3, q4, q5, q6 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for p in range(len(zeta)):
            r2 = path[3, p] * R_out[2, c, p]
            r1 = path[3, p] * R_out[1, c, p]
            r0 = path[3, p] * R_out[0, c, p]
            if merged:
                r2 += L_out[2, c, p]
                r1 += L_out[1, c, p]
                r0 += L_out[0, c, p]
            r0 += tau * (r1 + tau * r2)
            r1 += 2.0 * tau * r2
            z0, z1, z2, z3 = zeta[p], path[0, p], path[1, p], path[2, p]
            q1 += z0 * r0
            q2 += z0 * r1 + z1 * r0
            q3 += z0 * r2 + z1 * r1 + z2 * r0
            q4 += z1 * r2 + z2 * r1 + z3 * r0
            q5 += z2 * r2 + z3 * r1
            q6 += z3 * r2
        Q[c, 0], Q[c, 1], Q[c, 2], Q[c, 3] = v[c], h * q1, h * q2 / 2.0, h * q3 / 3.0
        Q[c, 4], Q[c, 5], Q[c, 6] = h * q4 / 4.0, h * q5 / 5.0, h * q6 / 6.0


@compiled
def integral(u: np.ndarray, p: int, tau: float, s: float) -> float:
    """Return the integral of u_p from tau to tau + s."""
    u0 = u[0, p] + tau * (u[1, p] + tau * u[2, p])
    return s * (u0 + s * (0.5 * (u[1, p] + 2.0 * tau * u[2, p]) + s * u[2, p] / 3.0))


@compiled
def horner(coefficients: np.ndarray, x: float) -> float:
    """Return the value of a polynomial, coefficients from the constant up."""
    total = 0.0
    for q in range(len(coefficients) - 1, -1, -1):
        total = total * x + coefficients[q]
    return total

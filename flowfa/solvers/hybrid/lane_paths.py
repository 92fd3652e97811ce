"""The paths of a block of neurons side by side, and what they give to the output."""

from __future__ import annotations

import numpy as np

from flowfa.machine.compiled import compiled
from flowfa.solvers.hybrid.lanes import Lanes
from flowfa.solvers.hybrid.records import (
    L_OUT,
    LENGTH,
    R_OUT,
    Guess,
    Layer,
    Memory,
    Path,
    V,
)


@compiled
def write_paths(layer: Layer, h: float, lanes: Lanes) -> None:
    """Turn the coefficients of K u into those of the path; sliding surfaces stay."""
    P, B = lanes.zeta.shape
    for p in range(P):
        for i in range(B):
            moving = h * abs(lanes.side[p, i])
            lanes.path[0, p, i] *= moving
            lanes.path[1, p, i] *= 0.5 * moving
            lanes.path[2, p, i] *= moving / 3.0


@compiled
def find_suspects(lanes: Lanes) -> None:
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


@compiled(reassociates=True)
def write_out_weights(layer: Layer, memory: Memory, guess: Guess, begin: int, lanes: Lanes) -> None:
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
                guess.drives[R_OUT, 0, c, p],
                guess.drives[R_OUT, 1, c, p],
                guess.drives[R_OUT, 2, c, p],
            )
            l0, l1, l2 = 0.0, 0.0, 0.0
            if layer.merged:
                l0, l1 = guess.drives[L_OUT, 0, c, p], guess.drives[L_OUT, 1, c, p]
                l2 = guess.drives[L_OUT, 2, c, p]
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


@compiled(reassociates=True)
def look(
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


@compiled(reassociates=True)
def add_outputs(layer: Layer, times: np.ndarray, lanes: Lanes, total: np.ndarray) -> None:
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

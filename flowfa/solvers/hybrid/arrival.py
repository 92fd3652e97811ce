"""The state at the end of a step, and at the save times that a step passes."""

from __future__ import annotations

import math

import numpy as np

from flowfa.machine.compiled import compiled
from flowfa.solvers.hybrid.records import (
    ARRIVAL,
    LENGTH,
    OF_BIAS,
    SIGNS,
    TIME,
    Guess,
    Layer,
    Memory,
    Path,
    V,
)
from flowfa.solvers.hybrid.signals import integral_of
from flowfa.solvers.hybrid.surfaces import put_on_surfaces


@compiled(allocates=True)
def arrive(layer: Layer, memory: Memory, guess: Guess, path: Path) -> None:
    """Move a trajectory to the end of an accepted step."""
    zeta, modes = memory.zeta, memory.modes
    v = path.v_at[len(path.v_at) - 1]
    write_state(layer, memory.state, path.Y[0], v, guess, 1.0, memory.state)
    memory.numbers[TIME] = guess.step[ARRIVAL]
    left = math.exp(-layer.in_decay * guess.step[LENGTH])
    modes[:] = path.modes
    memory.weights[V] = v
    memory.weights[SIGNS] = path.signs
    # Computed anew from W, but zeros and signs are those of the exact path.
    _write_preactivations(layer, memory.state, zeta)
    if layer.leak < 1.0:
        put_on_surfaces(layer, memory)
    for j in range(zeta.shape[0]):
        farthest = left * memory.farthest[j]
        for p in range(zeta.shape[1]):
            if layer.leak < 1.0:
                off = zeta[j, p] * modes[j, p] < 0.0
                if modes[j, p] == 0 or path.zeta[j, p] == 0.0 or off:
                    zeta[j, p] = 0.0
            farthest = max(farthest, abs(zeta[j, p]))
        memory.farthest[j] = farthest


@compiled(reassociates=True)
def write_state(
    layer: Layer,
    before: np.ndarray,
    Y: np.ndarray,
    v: np.ndarray,
    guess: Guess,
    tau: float,
    out: np.ndarray,
) -> None:
    """Write the state after the drives' integrals Y, which `before` may be overwritten by."""
    E, neurons, outputs, unit = layer.directions, v.shape[0], v.shape[1], layer.unit
    features = E.shape[1] - (1 if layer.bias_at >= 0 else 0)
    left = math.exp(-layer.in_decay * guess.step[LENGTH] * tau)
    left_out = math.exp(-layer.out_decay * guess.step[LENGTH] * tau)
    for j in range(neurons):
        row = out[j * features : (j + 1) * features]
        old = before[j * features : (j + 1) * features]
        for i in range(features):
            row[i] = left * old[i]
        # Four directions at a time, because sums that are loaded once take four products.
        for p in range(0, len(E) - 3, 4):
            y0, y1 = unit * Y[j, p], unit * Y[j, p + 1]
            y2, y3 = unit * Y[j, p + 2], unit * Y[j, p + 3]
            for i in range(features):
                total = y0 * E[p, i] + y1 * E[p + 1, i]
                row[i] += total + (y2 * E[p + 2, i] + y3 * E[p + 3, i])
        for p in range(len(E) - len(E) % 4, len(E)):
            for i in range(features):
                row[i] += unit * Y[j, p] * E[p, i]
        if layer.bias_at >= 0:
            total = left * before[layer.bias_at + j]
            for p in range(len(E)):
                total += unit * Y[j, p] * E[p, features]
            out[layer.bias_at + j] = total
        for c in range(outputs):
            out[layer.out_at + c * neurons + j] = v[j, c]
    if layer.out_bias_at >= 0:
        for c in range(outputs):
            moved = guess.step[LENGTH] * integral_of(guess.polynomials[OF_BIAS], c, tau)
            out[layer.out_bias_at + c] = left_out * (before[layer.out_bias_at + c] + moved)


@compiled(reassociates=True)
def _write_preactivations(layer: Layer, state: np.ndarray, zeta: np.ndarray) -> None:
    """Write the inner products of all in-weights with the directions, (neuron, surface)."""
    E, P = layer.directions, zeta.shape[1]
    features = E.shape[1] - (1 if layer.bias_at >= 0 else 0)
    for j in range(len(zeta)):
        row = state[j * features : (j + 1) * features]
        for p in range(0, P - 3, 4):
            t0, t1, t2, t3 = 0.0, 0.0, 0.0, 0.0
            for i in range(features):
                t0 += row[i] * E[p, i]
                t1 += row[i] * E[p + 1, i]
                t2 += row[i] * E[p + 2, i]
                t3 += row[i] * E[p + 3, i]
            zeta[j, p], zeta[j, p + 1], zeta[j, p + 2], zeta[j, p + 3] = t0, t1, t2, t3
        for p in range(P - P % 4, P):
            total = 0.0
            for i in range(features):
                total += row[i] * E[p, i]
            zeta[j, p] = total
        if layer.bias_at >= 0:
            for p in range(P):
                zeta[j, p] += state[layer.bias_at + j] * E[p, features]
        for p in range(P):
            zeta[j, p] /= layer.unit

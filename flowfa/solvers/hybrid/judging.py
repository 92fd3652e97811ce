"""Whether a sweep has converged, and whether its step is good.

Errors are in units of the tolerance: a step is good if its error is at most 1.
"""

from __future__ import annotations

import math

import numpy as np

from flowfa.machine.compiled import compiled
from flowfa.solvers.hybrid.control import step_factor
from flowfa.solvers.hybrid.error_units import largest_sizes, reach
from flowfa.solvers.hybrid.records import (
    BEGIN,
    ERROR,
    FACTOR,
    INWARD,
    LAST_CHANGE,
    LENGTH,
    NEWTON,
    OUTWARD,
    REACHED_SIZE,
    REACHED_WEIGHT,
    SIGNS,
    SIZE,
    TRIALS,
    V_NODES,
    WEIGHT,
    Guess,
    Layer,
    Memory,
    Path,
    Space,
    V,
)
from flowfa.solvers.hybrid.signals import TO_MONOMIAL

LOCAL = 0.2
"""Share of the defect's effect that counts as the error of a step."""
CONVERGED = 0.3
"""A sweep that changes less than this share of the tolerance ends the iteration."""
STALLED = 0.8
"""A sweep that shrinks the change by less than this ends the trial."""
MOST_SWEEPS = 25
"""Sweeps after which a trial has not converged."""
SLOW, SLOW_IF_COSTLY = 0.05, 0.4
"""Contraction of a sweep from which on a trajectory's iteration is steered by Newton."""
CHEAP_UNKNOWNS, MOST_UNKNOWNS = 150, 400
"""Samples times outputs up to which a correction costs little, and up to which it pays."""
FAR = 1e3
"""A change, in units of the tolerance, that is never taken for convergence."""

GOES_ON, ACCEPTED, REFUSED = range(3)
"""What is decided."""


@compiled
def judge(
    layer: Layer, memory: Memory, space: Space, tolerance: float, sweeps: int, sound: bool
) -> int:
    """Decide about a trial after a sweep; see `Guess.step` for what is written.

    Parameters
    ----------
    layer, memory : Layer, Memory
    space : Space
        With the path that the sweep found, and the residuals on it.
    tolerance : float
    sweeps : int
        Of this trial so far.
    sound : bool
        Whether every neuron reached the end of the step.

    Returns
    -------
    int
        `GOES_ON`, `ACCEPTED` or `REFUSED`.
    """
    step, path = space.guess.step, space.path
    unknowns = space.outputs.shape[1] * space.outputs.shape[2]
    # With what the step itself reaches, so that a small start soon takes steps of its new size.
    v = path.v_at[len(path.v_at) - 1]
    size, weight = memory.numbers[SIZE], memory.numbers[WEIGHT]
    size, weight = largest_sizes(layer, path.zeta, v, size, weight)
    drives, out = reach(layer, memory, path, size, weight)
    unit, out_unit = LOCAL * drives / tolerance, LOCAL * out / tolerance
    change, error = change_and_error(
        layer, memory, space.guess, path, space.residuals, unit, out_unit
    )
    sound = sound and math.isfinite(change) and math.isfinite(error)
    if memory.flags[TRIALS] == 0 and sweeps == 1:
        # A run's first guess, of constant signals, is never good enough: it is the same whatever
        # the tolerance, so that runs at two tolerances would agree on its error.
        change = max(change, FAR)
    converged = sound and change <= CONVERGED
    contraction = change / step[LAST_CHANGE]
    hopeless = sweeps > 2 and contraction > STALLED
    stopped = not sound or (not converged and (hopeless or sweeps >= MOST_SWEEPS))
    limit = SLOW if unknowns <= CHEAP_UNKNOWNS else SLOW_IF_COSTLY
    if sweeps > 1 and contraction > limit and unknowns <= MOST_UNKNOWNS:
        memory.flags[NEWTON] = 1
    step[LAST_CHANGE] = change
    if not (converged or stopped):
        return GOES_ON
    accepted = converged and error <= 1.0
    step[ERROR], step[REACHED_SIZE], step[REACHED_WEIGHT] = error, size, weight
    step[FACTOR] = step_factor(memory, error, contraction, accepted, stopped)
    return ACCEPTED if accepted else REFUSED


@compiled
def change_and_error(
    layer: Layer,
    memory: Memory,
    guess: Guess,
    path: Path,
    residuals: np.ndarray,
    unit: float,
    out_unit: float,
) -> tuple[float, float]:
    """Return how much a sweep changed the signals, and the error of its step.

    Parameters
    ----------
    layer, memory, guess : Layer, Memory, Guess
    path : Path
        What the sweep made of the guess.
    residuals : ndarray, shape (4, output, sample)
        Residuals on the path at the nodes and the end.
    unit : float
        From a change of the drives, b . r, to the scaled error of a step of length 1.
    out_unit : float
        From a change of r to the scaled error of the out-weights, the same.

    Returns
    -------
    tuple of float
        The change is that of the signals at the nodes; the error is the larger of the defects at
        the two ends, where no node ties the guess to the path. A kink of the residuals, which an
        event makes, can hide from one of them.
    """
    C, n, neurons = residuals.shape[1], residuals.shape[2], memory.weights.shape[1]
    size = guess.step[LENGTH]
    weights, end = memory.weights, len(path.v_at) - 1
    change, error, largest = 0.0, 0.0, 0.0
    for k in range(n):
        error = _larger(error, _defect(layer, memory, guess, residuals, k))
        for i in range(4):
            moved, total = 0.0, 0.0
            for c in range(C):
                total += abs(residuals[i, c, k])
                if i < 3:
                    moved += abs(residuals[i, c, k] - memory.signals[i, c, k])
            change, largest = _larger(change, moved), _larger(largest, total)
    strength, moved, defect = 0.0, 0.0, 0.0
    for j in range(neurons):
        at_begin, at_end, off_begin, off_end = 0.0, 0.0, 0.0, 0.0
        for c in range(C):
            fixed, magnitude = layer.fixed[j, c], layer.magnitudes[j, c]
            before, after = fixed + magnitude * weights[SIGNS, j, c], fixed
            after += magnitude * path.signs[j, c]
            if layer.share != 0.0:
                before += layer.share * weights[V_NODES, j, c]
                after += layer.share * path.v_at[end, j, c]
                p0, p1, p2 = 0.0, 0.0, 0.0
                for i in range(3):
                    p0 += TO_MONOMIAL[0, i] * weights[V_NODES + i, j, c]
                    p1 += TO_MONOMIAL[1, i] * weights[V_NODES + i, j, c]
                    p2 += TO_MONOMIAL[2, i] * weights[V_NODES + i, j, c]
                off_begin += abs(weights[V, j, c] - p0)
                off_end += abs(path.v_at[end, j, c] - (p0 + (p1 + p2)))
            at_begin += abs(before)
            at_end += abs(after)
        strength = _larger(strength, _larger(at_begin, at_end))
        defect = _larger(defect, _larger(off_begin, off_end))
        if layer.share != 0.0:
            for i in range(3):
                off = 0.0
                for c in range(C):
                    off += abs(path.v_at[i, j, c] - weights[V_NODES + i, j, c])
                moved = _larger(moved, off)
    # Signals move the in-weights through the feedback, which may be weak or zero (adafa from zero
    # out-weights), and the out-weights without it.
    effect = _larger(strength * unit * size, out_unit * size)
    change, error = change * effect, error * effect
    if layer.share != 0.0:
        # The out-weights are part of the guess where they are fed back, as under gd: a wrong v
        # counts through a v . r.
        weight = largest * abs(layer.share) * unit * size
        change, error = change + weight * moved, error + weight * defect
    return change, error


@compiled
def _defect(layer: Layer, memory: Memory, guess: Guess, residuals: np.ndarray, k: int) -> float:
    """Return the largest difference of one sample's signals and their quadratics at the ends.

    Where weights decay, the quadratics are those of `decay`, and what they miss decays too.
    """
    decays = layer.in_decay != 0.0 or layer.out_decay != 0.0
    largest = 0.0
    for which in range(3 if decays else 1):
        polynomial, decay = guess.polynomials[which], layer.in_decay
        if which != INWARD:
            decay = layer.out_decay - (layer.in_decay if which == OUTWARD else 0.0)
        left = math.exp(-decay * guess.step[LENGTH])
        at_begin, at_end = 0.0, 0.0
        for c in range(residuals.shape[1]):
            p0, p1, p2 = polynomial[0, c, k], polynomial[1, c, k], polynomial[2, c, k]
            at_begin += abs(memory.signals[BEGIN, c, k] - p0)
            at_end += abs(residuals[3, c, k] - left * (p0 + (p1 + p2)))
        largest = _larger(largest, _larger(at_begin, at_end))
    return largest


@compiled
def _larger(a: float, b: float) -> float:
    """Return the larger number, or NaN if one is NaN, which `max` would lose."""
    return b if b > a or b != b else a

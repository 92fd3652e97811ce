"""How long the next step is, and what it is guessed to see."""

from __future__ import annotations

import math

from flowfa.machine.compiled import compiled
from flowfa.solvers.hybrid.records import (
    AHEAD,
    BEGIN,
    FACTOR,
    LAST_STEP,
    LENGTH,
    NODES,
    REJECTED_LAST,
    STEP,
    TIME,
    TRIALS,
    V_AHEAD,
    V_NODES,
    Memory,
    Space,
)
from flowfa.solvers.hybrid.signals import TO_AHEAD, write_coefficients, write_values

SAFETY = 0.8
"""Share of the step that would just be good; the defect falls with its third power at least."""
GROWTH = 2.0
"""Greatest growth of a step."""


@compiled
def begin_next_trial(memory: Memory, space: Space, accepted: bool, end: float) -> None:
    """Choose the next step, and guess its signals and out-weights.

    Parameters
    ----------
    memory : Memory
        Changed; its time is that at which the next trial begins.
    space : Space
        Of the sweep that was judged.
    accepted : bool
    end : float
        Of the run.
    """
    signals, weights, numbers = memory.signals, memory.weights, memory.numbers
    step = space.guess.step
    numbers[STEP] = step[LENGTH] * step[FACTOR]
    if accepted:
        write_coefficients(TO_AHEAD, space.residuals[1:], signals[AHEAD:])
        write_coefficients(TO_AHEAD, space.path.v_at[1:], weights[V_AHEAD:])
        numbers[LAST_STEP] = step[LENGTH]
        for c in range(signals.shape[1]):
            for k in range(signals.shape[2]):
                signals[BEGIN, c, k] = space.residuals[3, c, k]
        memory.flags[TRIALS] += 1
    memory.flags[REJECTED_LAST] = not accepted
    time, length = numbers[TIME], numbers[STEP]
    length = end - time if time + length * (1.0 + 1e-10) >= end else length
    # A rejected step begins where the last accepted quadratic ends, as a new one does; before the
    # first there is none.
    ahead = length / numbers[LAST_STEP] if memory.flags[TRIALS] > 0 else -1.0
    write_values(signals[AHEAD:], ahead, signals[NODES:BEGIN])
    write_values(weights[V_AHEAD:], ahead, weights[V_NODES:V_AHEAD])


@compiled
def step_factor(
    memory: Memory, error: float, contraction: float, accepted: bool, stopped: bool
) -> float:
    """Return the next step's length by that of the last trial.

    Parameters
    ----------
    memory : Memory
    error : float
        In units of the tolerance.
    contraction : float
        Change of the last sweep by that of the one before.
    accepted, stopped : bool
        Whether the step is good; whether its iteration could not converge.
    """
    if stopped:
        known = contraction if math.isfinite(contraction) else 1.0
        return min(max(0.25 / max(known, 1e-3), 0.15), 0.5)
    by_error = SAFETY / min(max(error, 1e-12), 1e12) ** (1.0 / 3.0)
    by_error = min(max(by_error, 0.3), GROWTH)
    if accepted:
        return min(by_error, 1.0) if memory.flags[REJECTED_LAST] else by_error
    return min(by_error, 0.9)

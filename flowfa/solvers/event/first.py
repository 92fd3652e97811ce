"""The first event of a trajectory within a step, on the step's dense output."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flowfa.solvers.event.locked import LockedFlow, Weights

SAMPLES = 12
"""Times within a step at which the margins are looked at; events closer together may be missed."""
HALVINGS = 60


def first_event(
    flow: LockedFlow,
    start: Weights,
    sliding: list[tuple[int, np.ndarray, np.ndarray]],
    dense: Callable[[float], np.ndarray],
    begin: float,
    end: float,
    scale: float,
) -> tuple[float, list[tuple[int, int, int]]]:
    """Return the time of the first event, and what happens there.

    Parameters
    ----------
    flow : LockedFlow
    start : Weights
        The state at `begin`.
    sliding : list
        What ``flow.sliding()`` returns.
    dense : callable
        The flat state at a time within the step.
    begin, end : float
    scale : float
        Size of the largest preactivation; what has just left a surface counts as on its side until
        it is beyond rounding of this on the other.

    Returns
    -------
    tuple
        The time (`end` without events), and (kind, neuron, surface or output) of each event: kind
        is the index in what `LockedFlow.margins` returns.
    """
    noise = 1e-12 * scale
    tolerances = (noise, 1e-9, 1e-9, noise)

    def violated(time: float) -> list[np.ndarray]:
        """Return which margins are negative at a time."""
        weights = start.like(dense(time))
        motion = flow.motion(weights, sliding)
        size = np.abs(motion.push).max()
        margins = flow.margins(weights, motion)
        return [
            margin < -tolerance * (size if kind in (1, 2) else 1.0)
            for kind, (margin, tolerance) in enumerate(zip(margins, tolerances, strict=True))
        ]

    left = begin
    for right in np.linspace(begin, end, SAMPLES + 1)[1:].tolist():
        negative = violated(right)
        if not any(mask.any() for mask in negative):
            left = right
            continue
        for _ in range(HALVINGS):
            middle = 0.5 * (left + right)
            if not left < middle < right:
                break
            inside = violated(middle)
            if any(mask.any() for mask in inside):
                right, negative = middle, inside
            else:
                left = middle
        events = [
            (kind, neuron, other)
            for kind, mask in enumerate(negative)
            for neuron, other in np.argwhere(mask).tolist()
        ]
        return right, events
    return end, []

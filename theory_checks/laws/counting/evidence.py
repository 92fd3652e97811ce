"""The rank of fields whose feedback is no algebraic function, by singular values: evidence.

The numbers have 50 digits. Where the rank is r, the singular values fall by many orders of
magnitude after the r-th; how many is shown. That is evidence for the rank, and no proof.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from flowfa.errors import InputError
from theory_checks.laws.arithmetic.extended import Extended
from theory_checks.laws.counting.brackets import nested_bracket
from theory_checks.laws.counting.rank import IDLE_LEVELS, MOST_LEVELS, SPARE_ROWS, Count
from theory_checks.laws.motion.dynamics import Dynamics
from theory_checks.laws.motion.motion import Motion

MOST_PARAMETERS = 60
"""Singular values of many digits take the time of the third power of it."""
LEAST_GAP = 1e12
"""Factor by which singular values have to fall for a rank to be told."""


def estimate_count(
    dynamics: Dynamics, seed: int = 0, watch: Callable[[Count], None] = lambda _: None
) -> Count:
    """Return the rank by level, told by singular values.

    Raises
    ------
    InputError
        If the network is too large, or the singular values fall by no clear step.
    NotFollowed
        If the feedback uses a function that is not known.
    """
    width = dynamics.layout.size
    if width > MOST_PARAMETERS:
        raise InputError(
            f"the feedback of {dynamics.rule.name} is no algebraic function, and `sizes` has "
            f"{width} numbers that move: singular values are for at most {MOST_PARAMETERS}; shrink "
            "the widest layers"
        )
    numbers = Extended()
    motion = Motion(dynamics, numbers, np.random.default_rng(seed), largest=1)
    points = motion.points(1)
    rows = numbers.zeros((0, width))
    count = Count(width, 0, seed)
    for level in range(MOST_LEVELS):
        fields = []
        for _ in range(level + 1):
            samples = motion.samples(width + SPARE_ROWS)
            fields.append(lambda state, samples=samples: motion.field(state, points.signs, samples))
        rows = np.concatenate([rows, _unit(nested_bracket(fields, points.state).values[0])])
        rank, count.gap = _rank(numbers, rows)
        count.rank_by_level.append(rank)
        count.so_far = count.rank
        tried = len(count.rank_by_level) - 1 - count.last_level
        count.finished = rank == width or tried >= IDLE_LEVELS
        watch(count)
        if count.finished:
            break
    return count


def _unit(rows: np.ndarray) -> np.ndarray:
    """Return rows of length one, so that singular values are of one scale."""
    squares = (rows * rows).sum(1)
    return rows / np.array([value**0.5 if value else 1 for value in squares], dtype=object)[:, None]


def _rank(numbers: Extended, rows: np.ndarray) -> tuple[int, tuple[float, float]]:
    """Return how many singular values stand before the largest fall, and the two beside it."""
    values = numbers.singular_values(rows)
    tiny = values[0] * numbers.context.mpf(10) ** -45
    floored = [max(value, tiny) for value in values]
    falls = [above / below for above, below in pairwise(floored)]
    most = max(range(len(falls)), key=falls.__getitem__) if falls else 0
    if falls and falls[most] >= LEAST_GAP:
        return most + 1, (float(values[most]), float(values[most + 1]))
    if values[-1] / values[0] > 1e-20:
        return len(values), (float(values[-1]), 0.0)
    raise InputError(
        "the singular values fall from "
        f"{float(values[0]):.1e} to {float(values[-1]):.1e} by no clear step, so that they tell no "
        "rank: try another `seed`, or smaller `sizes`"
    )

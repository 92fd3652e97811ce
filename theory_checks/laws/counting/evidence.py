"""The rank of fields whose feedback is no algebraic function, by singular values: evidence.

The numbers have 50 digits, or 16 where only torch itself can compute the feedback. Where the rank
is r, the singular values fall by many orders of magnitude after the r-th; how many is shown. That
is evidence for the rank, and no proof.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from flowfa.errors import InputError
from theory_checks.laws.arithmetic.extended import Extended
from theory_checks.laws.arithmetic.floats import Floats
from theory_checks.laws.counting.brackets import nested_bracket
from theory_checks.laws.counting.rank import IDLE_LEVELS, MOST_LEVELS, SPARE_ROWS, Count
from theory_checks.laws.motion.dynamics import Dynamics
from theory_checks.laws.motion.motion import Motion
from theory_checks.laws.motion.soundness import check_derivatives


def estimate_count(
    dynamics: Dynamics,
    seed: int = 0,
    watch: Callable[[Count], None] = lambda _: None,
    opaque: bool = False,
) -> Count:
    """Return the rank by level, told by singular values.

    Parameters
    ----------
    dynamics, seed, watch
        As `count_laws`.
    opaque : bool
        Whether torch computes the feedback, in double precision; by default its code is followed
        with numbers of 50 digits.

    Raises
    ------
    InputError
        If the network is too large, or the singular values fall by no clear step.
    NotFollowed
        If the feedback uses a function that is not known.
    """
    width, numbers = dynamics.layout.size, Floats() if opaque else Extended()
    if width > numbers.most_numbers:
        raise InputError(
            f"the feedback of {dynamics.rule.name} is no algebraic function, and `sizes` has "
            f"{width} numbers that move: singular values are for at most {numbers.most_numbers}; "
            "shrink the widest layers"
        )
    if opaque:
        check_derivatives(dynamics)
    motion = Motion(dynamics, numbers, np.random.default_rng(seed), largest=1, opaque=opaque)
    points = motion.points(1)
    rows = numbers.zeros((0, width))
    count = Count(width, 0, seed, digits=numbers.digits)
    for level in range(MOST_LEVELS):
        fields = []
        for _ in range(level + 1):
            samples = motion.samples(width + SPARE_ROWS)
            fields.append(lambda state, samples=samples: motion.field(state, points.signs, samples))
        found = nested_bracket(fields, points.state).values[0]
        rows = np.concatenate([rows, _unit(np.broadcast_to(found, (len(found), width)))])
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
    lengths = [value**0.5 if value else 1 for value in squares]
    return rows / np.array(lengths, dtype=rows.dtype)[:, None]


def _rank(numbers: Extended | Floats, rows: np.ndarray) -> tuple[int, tuple[float, float]]:
    """Return how many singular values stand before the largest fall, and the two beside it."""
    values = numbers.singular_values(rows)
    if not values[0]:
        return 0, (0.0, 0.0)
    floored = [max(value, values[0] * numbers.rounding) for value in values]
    falls = [above / below for above, below in pairwise(floored)]
    most = max(range(len(falls)), key=falls.__getitem__) if falls else 0
    if falls and falls[most] >= numbers.least_gap:
        return most + 1, (float(values[most]), float(values[most + 1]))
    if values[-1] / values[0] > numbers.full:
        return len(values), (float(values[-1]), 0.0)
    raise InputError(
        "the singular values fall from "
        f"{float(values[0]):.1e} to {float(values[-1]):.1e} by no clear step, so that they tell no "
        "rank: try another `seed`, or smaller `sizes`"
    )

"""The rank of the fields and their brackets, level by level, at a random point modulo a prime.

A rank at one point modulo one prime is at most the rank at a generic point: what is found here is
a lower bound of that, and leaves an upper bound of the number of laws that needs no luck. Too small
a rank by accident has a probability of about the degree of the entries over the prime.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from theory_checks.laws.arithmetic.elimination import Span
from theory_checks.laws.arithmetic.modular import PRIMES, Modular
from theory_checks.laws.counting.brackets import nested_bracket
from theory_checks.laws.motion.activations import switches_of
from theory_checks.laws.motion.dynamics import Dynamics
from theory_checks.laws.motion.motion import Motion, Points
from theory_checks.laws.motion.orthants import generic_signs

SPARE_ROWS = 8
"""Fields beyond the rank that is missing: all of them in the span are no accident."""
SWITCH_ROUNDS = 20
"""Rounds that have to add nothing where slopes are switches and no arbitrary numbers."""
IDLE_LEVELS = 2
"""Levels of brackets that are tried after one that added nothing."""
MOST_ROWS = 200
"""Fields that are added at a time."""
MOST_LEVELS = 9


@dataclass
class Count:
    """How far a count has got.

    Attributes
    ----------
    parameters : int
        The numbers that move.
    rank_by_level : list of int
        Of the fields alone, then with brackets of two fields, of three, and so on.
    prime : int
        0 for a rank that singular values tell.
    seed : int
    finished : bool
        Whether the last levels added nothing, or the rank is full.
    so_far : int
        The rank found up to now, within a level too: a lower bound.
    gap : tuple of float or None
        Of a rank that singular values tell: the last one above the gap, and the first one below.
    digits : int
        Of the numbers of such a rank; 0 of residues.
    """

    parameters: int
    prime: int
    seed: int
    rank_by_level: list[int] = field(default_factory=list)
    finished: bool = False
    so_far: int = 0
    gap: tuple[float, float] | None = None
    digits: int = 0

    @property
    def exact(self) -> bool:
        """Whether it is a proof: arithmetic was modulo a prime."""
        return not self.digits

    @property
    def rank(self) -> int:
        """The largest rank found."""
        return max(*self.rank_by_level, self.so_far, 0)

    @property
    def laws(self) -> int:
        """Number of laws that the rank leaves: an upper bound."""
        return self.parameters - self.rank

    @property
    def last_level(self) -> int:
        """The level from which on nothing was added; level 0 is the fields alone."""
        return self.rank_by_level.index(max(self.rank_by_level)) if self.rank_by_level else 0


def count_laws(
    dynamics: Dynamics, seed: int = 0, watch: Callable[[Count], None] = lambda _: None
) -> Count:
    """Return the rank by level.

    Parameters
    ----------
    dynamics : Dynamics
    seed : int
        Of the random point, feedback and fields.
    watch : callable, optional
        Is shown the count as it grows; it may raise to stop.
    """
    numbers = Modular(PRIMES[0])
    motion = Motion(dynamics, numbers, np.random.default_rng(seed))
    drawn = motion.points(1)
    points = Points(drawn.state, generic_signs(motion, drawn.signs))
    width = motion.layout.size
    span, count = Span(numbers, width), Count(width, numbers.prime, seed)
    for level in range(MOST_LEVELS):
        idle = 0
        while span.rank < width and idle < _idle_rounds(dynamics):
            wanted = min(width - span.rank + SPARE_ROWS, MOST_ROWS)
            idle = 0 if span.add(_bracket_rows(motion, points, level, wanted)) else idle + 1
            count.so_far = span.rank
            watch(count)
        count.rank_by_level.append(span.rank)
        tried = len(count.rank_by_level) - 1 - count.last_level
        count.finished = span.rank == width or tried >= IDLE_LEVELS
        watch(count)
        if count.finished:
            break
    return count


def _bracket_rows(motion: Motion, points: Points, level: int, number: int) -> np.ndarray:
    """Return brackets of level + 1 random fields each, (number, parameter)."""
    fields = []
    for position in range(level + 1):
        # In turn all together, samples would meet at one distance only.
        samples = motion.samples(number, in_turn=position == 0)
        fields.append(lambda state, samples=samples: motion.field(state, points.signs, samples))
    return nested_bracket(fields, points.state).values[0]


def _idle_rounds(dynamics: Dynamics) -> int:
    """Return how many rounds of fields have to add nothing.

    Given samples all have their turn, and patterns of switches some chance.
    """
    if dynamics.inputs is None:
        return SWITCH_ROUNDS if switches_of(dynamics.activation) else 1
    return 2 + len(dynamics.inputs) // SPARE_ROWS

"""Drawing problems: numbers from a generator of one's own, in general and in special position.

What is drawn depends on the seed alone, on any machine and from wherever the package is loaded. A
test framework that draws by what it has seen (the constants of loaded modules, a database of
earlier failures) cannot promise that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from theory_checks.falsify.case import Shape

SPECIAL = (0.0, 1.0, -1.0, 0.5, -0.5)
"""Coordinates at which terms vanish, are extreme, or are those of other coordinates."""
SPECIAL_SHARE = 0.15
"""Share of such coordinates in a draw that has them; every other draw does."""
VARIED_SHARE = 1.0 / 3.0
"""Share of the draws that vary the best problem so far."""
KEPT_SHARE = 0.8
"""Share of the coordinates that such a draw keeps."""


def draw_problems(
    shapes: Sequence[Shape],
    batch: int,
    best: Mapping[Shape, tuple[float, np.ndarray]],
    random: np.random.Generator,
) -> tuple[Shape, np.ndarray]:
    """Draw problems of one shape, as points of the unit cube.

    Parameters
    ----------
    shapes : sequence of Shape
        What to choose from.
    batch : int
        How many problems.
    best : mapping of Shape to score and point
        What earlier draws came to; a low score is near a violation.
    random : numpy.random.Generator

    Returns
    -------
    Shape, numpy.ndarray
        Points in [-1, 1], (problem, coordinate).
    """
    if best and random.random() < VARIED_SHARE:
        shape = min(best, key=lambda one: best[one][0])
        points = _plain(batch, shape.numbers, random)
        kept = random.random(points.shape) < KEPT_SHARE
        return shape, np.where(kept, best[shape][1], points)
    shape = shapes[int(random.integers(len(shapes)))]
    return shape, _plain(batch, shape.numbers, random)


def _plain(batch: int, size: int, random: np.random.Generator) -> np.ndarray:
    """Draw uniform coordinates, in every other problem some of them special."""
    points = random.uniform(-1.0, 1.0, (batch, size))
    special = random.random((batch, size)) < SPECIAL_SHARE
    special &= random.random((batch, 1)) < 0.5
    return np.where(special, random.choice(SPECIAL, (batch, size)), points)

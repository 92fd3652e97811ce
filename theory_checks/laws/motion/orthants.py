"""Orthants of the weights, in which signs are constant."""

from __future__ import annotations

import numpy as np

from theory_checks.laws.arithmetic.elimination import rank
from theory_checks.laws.arithmetic.modular import Modular
from theory_checks.laws.motion.motion import Motion

DRAWS = 24
"""Orthants among which one is chosen."""


def has_signs(motion: Motion) -> bool:
    """Return whether signs of weights may be in the feedback."""
    in_form = motion.dynamics.rule.in_form
    return not in_form or motion.feedback.has_magnitudes(motion.numbers)


def generic_signs(motion: Motion, signs: np.ndarray) -> np.ndarray:
    """Return signs of all numbers, (1, number), whose matrices have the largest rank.

    Signs are no random residues, and small matrices of them are often singular, which would be a
    law of that orthant alone.

    Parameters
    ----------
    motion : Motion
    signs : numpy.ndarray
        (1, number), taken where the feedback has no signs of weights.
    """
    if not has_signs(motion):
        return signs
    draws = [signs, *(motion.source.choice([-1, 1], signs.shape) for _ in range(DRAWS - 1))]
    return max(draws, key=lambda each: _rank(motion, each))


def _rank(motion: Motion, signs: np.ndarray) -> int:
    numbers = Modular()
    names = [name for name in motion.layout.shapes if name[0] == "W"]
    return sum(rank(numbers, numbers.of(motion.layout.view_of(signs, name)[0])) for name in names)

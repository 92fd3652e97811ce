"""Fractions of small terms, which floats written in decimals stand for."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from theory_checks.laws.arithmetic.jets import Numbers

LARGEST_TERM = 1000
"""Of numerator and denominator of a fraction that a float stands for."""


def simple_fraction(value: float) -> Fraction | None:
    """Return the fraction of small terms that a float is the nearest to, or None."""
    near = Fraction(value).limit_denominator(LARGEST_TERM)
    return near if float(near) == value and abs(near.numerator) <= LARGEST_TERM else None


def of_fraction(numbers: Numbers, ratio: Fraction) -> np.ndarray:
    """Return a fraction in an arithmetic, (1,)."""
    below = numbers.inverse(numbers.of(np.array([ratio.denominator])))
    return numbers.reduce(numbers.of(np.array([ratio.numerator])) * below)

"""Scalar polynomials of small degree: first sign changes without a sampling grid.

Everything here is compiled and works on numbers, so that the same functions serve any driver.
"""

from __future__ import annotations

import math

import numpy as np

from flowfa.machine.compiled import compiled

NONE = -1.0
"""What the searches return if the polynomial does not change its sign."""


@compiled(from_python=True)
def first_negative(c0: float, c1: float, c2: float, c3: float, end: float) -> float:
    """Return the first s in [0, end] from which c0 + c1 s + c2 s^2 + c3 s^3 is negative.

    The polynomial is taken to be non-negative at 0; 0 is returned if it is not, `NONE` if it
    stays non-negative. Between neighbouring critical points a cubic is monotone, so no pair of
    close roots is missed.
    """
    if c0 < 0.0:
        return 0.0
    at_end = c0 + end * (c1 + end * (c2 + end * c3))
    # The Bernstein coefficients on [0, end] enclose the values.
    low = c0 + end * c1 / 3.0
    high = c0 + end * (2.0 * c1 + end * c2) / 3.0
    if low >= 0.0 and high >= 0.0 and at_end >= 0.0:
        return NONE
    first, second = critical_points(c1, c2, c3, end)
    left = 0.0
    for right in (first, second, end):
        if right > left:
            if c0 + right * (c1 + right * (c2 + right * c3)) < 0.0:
                return falling_root(c0, c1, c2, c3, left, right)
            left = right
    return NONE


@compiled
def critical_points(c1: float, c2: float, c3: float, end: float) -> tuple[float, float]:
    """Return the zeros of the cubic's derivative in (0, end), in order; 0 stands for none."""
    a, b, c = 3.0 * c3, c2, c1
    discriminant = b * b - a * c
    if discriminant <= 0.0:
        # A derivative without two zeros: the cubic is monotone, or quadratic at most.
        return 0.0, 0.0
    root = math.sqrt(discriminant)
    # The stable form: no difference of nearly equal numbers.
    q = -(b + root) if b >= 0.0 else -(b - root)
    first = q / a if a != 0.0 else 0.0
    second = c / q if q != 0.0 else 0.0
    if not 0.0 < first < end:
        first = 0.0
    if not 0.0 < second < end:
        second = 0.0
    return (first, second) if first <= second else (second, first)


@compiled
def falling_root(c0: float, c1: float, c2: float, c3: float, left: float, right: float) -> float:
    """Return the root in [left, right], where the cubic falls from >= 0 to < 0, by safe Newton."""
    x = 0.5 * (left + right)
    for _ in range(100):
        value = c0 + x * (c1 + x * (c2 + x * c3))
        if value >= 0.0:
            left = x
        else:
            right = x
        slope = c1 + x * (2.0 * c2 + x * 3.0 * c3)
        step = x - value / slope if slope < 0.0 else left
        x = step if left < step < right else 0.5 * (left + right)
        if right - left <= 4e-16 * right or value == 0.0:
            break
    return left


@compiled(from_python=True)
def first_sign_change(coefficients: np.ndarray, degree: int, end: float, work: np.ndarray) -> float:
    """Return the first s in (0, end] at which a polynomial becomes negative, or `NONE`.

    Parameters
    ----------
    coefficients : ndarray, shape (>= degree + 1,)
        From the constant up; the polynomial is non-negative near 0.
    degree : int
    end : float
    work : ndarray, shape (>= degree + 1,)
        Space for the Bernstein coefficients.

    Notes
    -----
    Real root isolation by Bernstein subdivision: an interval whose Bernstein coefficients are all
    non-negative has no negative value; the leftmost interval that cannot be cleared is halved
    until it is as short as rounding allows.
    """
    left, width = 0.0, end
    while left < end:
        bernstein(coefficients, degree, left, width, work)
        clear = True
        for i in range(degree + 1):
            if work[i] < 0.0:
                clear = False
        if clear:
            left += width
            width = min(2.0 * width, end - left)
            if width <= 0.0:
                return NONE
        elif width <= 1e-15 * end:
            if work[degree] < 0.0:
                return left
            left += width
        else:
            width *= 0.5
    return NONE


@compiled
def bernstein(
    coefficients: np.ndarray, degree: int, left: float, width: float, out: np.ndarray
) -> None:
    """Write the Bernstein coefficients of a polynomial on [left, left + width] to `out`."""
    for i in range(degree + 1):
        out[i] = coefficients[i]
    # Taylor shift by left (Horner), then scaling by width.
    for i in range(degree):
        for j in range(degree - 1, i - 1, -1):
            out[j] += left * out[j + 1]
    power, binomial = 1.0, 1.0
    for i in range(degree + 1):
        out[i] *= power / binomial
        power *= width
        binomial *= (degree - i) / (i + 1.0)
    for i in range(1, degree + 1):
        for j in range(degree, i - 1, -1):
            out[j] += out[j - 1]

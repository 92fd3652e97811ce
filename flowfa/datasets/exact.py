"""Inner products of float64 vectors, accurate however much their terms cancel.

A float64 row is a sum of slices, each a few bits of every entry (Ozaki et al. 2012). Products of
slices are whole numbers below 2^53, which a matrix product in float64 adds without rounding; only
the sum over the slices rounds, and where its terms cancel it is taken in whole numbers.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

RELATIVE = 1e-14
"""Bound on the relative error of what `products` returns; so its signs and zeros are exact."""

LEAST, GREATEST = 1e-100, 1e100
"""Sizes of numbers, other than 0, between which the bound `RELATIVE` holds."""

SLICES = 64
"""Most slices a row can need between those sizes."""

CHUNK = 512
"""Rows taken at a time, since the products of all their slices are in memory at once."""


def products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return ``left @ right.T`` with every entry to a relative error of `RELATIVE`.

    Parameters
    ----------
    left, right : numpy.ndarray
        (row, entry) and (column, entry); numbers of size 0 or `LEAST` to `GREATEST`.

    Returns
    -------
    numpy.ndarray
        (row, column).
    """
    bits = (53 - int(np.ceil(np.log2(left.shape[1]))) - int(np.log2(SLICES))) // 2
    right_slices, right_exponents = _slices(right, bits)
    rows = []
    for start in range(0, len(left), CHUNK):
        left_slices, left_exponents = _slices(left[start : start + CHUNK], bits)
        orders = [
            np.zeros((len(left_exponents), len(right_exponents)))
            for _ in range(len(left_slices) + len(right_slices) - 1)
        ]
        for i, left_slice in enumerate(left_slices):
            for j, right_slice in enumerate(right_slices):
                orders[i + j] += left_slice @ right_slice.T
        rows.append(np.ldexp(_total(orders, bits), left_exponents[:, None] + right_exponents))
    return np.concatenate(rows)


def dot(left: np.ndarray, right: np.ndarray) -> Fraction:
    """Return the inner product of two float64 vectors as the rational number it is."""
    pairs = zip(left.tolist(), right.tolist(), strict=True)
    return sum((Fraction(a) * Fraction(b) for a, b in pairs if a and b), Fraction(0))


def _slices(rows: np.ndarray, bits: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Return whole numbers q_i and exponents e with rows = 2^e sum_i q_i 2^(-bits (i + 1))."""
    exponents = np.frexp(np.abs(rows).max(axis=1))[1]
    remainder = np.ldexp(rows, -exponents[:, None])
    slices = []
    while not slices or remainder.any():
        shift = bits * (len(slices) + 1)
        digits = np.rint(np.ldexp(remainder, shift))
        remainder = remainder - np.ldexp(digits, -shift)
        slices.append(digits)
    return slices, exponents


def _total(orders: list[np.ndarray], bits: int) -> np.ndarray:
    """Return sum_r orders[r] 2^(-bits (r + 2)), rounded; the orders are whole numbers."""
    total, size = np.zeros_like(orders[0]), np.zeros_like(orders[0])
    for order in reversed(orders):
        total = np.ldexp(total, -bits) + order
        size = np.ldexp(size, -bits) + np.abs(order)
    # Without cancellation the roundings above are a few units in the last place.
    for row, column in zip(*np.nonzero(2.0 * np.abs(total) < size), strict=True):
        number = 0
        for order in orders:
            number = (number << bits) + int(order[row, column])
        total[row, column] = float(Fraction(number, 1 << (bits * (len(orders) - 1))))
    return np.ldexp(total, -2 * bits)

"""Inner products against rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowfa.datasets.exact import dot, products


@given(st.integers(1, 40), st.sampled_from([0, 5, 30, 90]), st.integers(0, 10_000))
def test_products_are_right_to_the_last_digits(entries, decades, seed):
    random = np.random.default_rng(seed)

    def rows(number):
        sizes = 10.0 ** random.uniform(-decades, decades, (number, entries))
        return random.choice((-1.0, 0.0, 1.0), (number, entries)) * sizes

    left, right = rows(3), rows(2)
    right[1] = left[0]
    found = products(left, right)
    for i, j in np.ndindex(found.shape):
        exact = sum(Fraction(a) * Fraction(b) for a, b in zip(left[i], right[j], strict=True))
        assert abs(Fraction(float(found[i, j])) - exact) <= abs(exact) * Fraction(1, 10**15)
        assert dot(left[i], right[j]) == exact


@pytest.mark.parametrize("rest", [0.0, 2.0**-40, -(2.0**-200)])
def test_what_cancels_leaves_exactly_what_is_left(rest):
    left = np.array([[1e30, 3.7, -1e30, 1.0]])
    right = np.array([[1.0, 0.0, 1.0, rest]])
    assert products(left, right)[0, 0] == rest


def test_many_rows_are_taken_in_parts():
    random = np.random.default_rng(0)
    left, right = random.standard_normal((1300, 9)), random.standard_normal((7, 9))
    np.testing.assert_allclose(products(left, right), left @ right.T, rtol=1e-9, atol=1e-14)

"""Certificates against brute force, closed forms and an independent optimiser."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from flowfa import datasets
from flowfa.datasets import Dataset, certify, certify_each


def sets(fewest=1):
    def draw(n, d, seed):
        random = np.random.default_rng(seed)
        return Dataset(random.standard_normal((n, d)), random.choice((-1.0, 1.0), n))

    return st.builds(draw, st.integers(fewest, 8), st.integers(1, 10), st.integers(0, 10_000))


@given(sets())
def test_lambda_rho_and_gamma_are_those_of_their_definitions(data):
    found, n = certify(data), data.samples
    pairs = list(itertools.combinations(range(n), 2))
    products = {(k, m): float(np.dot(data.X[k], data.X[m])) for k in range(n) for m in range(n)}
    lambda_ = min(data.y[k] * data.y[m] * value for (k, m), value in products.items())
    assert found.lambda_ == pytest.approx(lambda_, rel=1e-12, abs=1e-13)
    rho = max((abs(products[pair]) for pair in pairs), default=0.0)
    assert found.rho == pytest.approx(rho, rel=1e-12, abs=1e-13)
    ratio = found.R_max / found.R_min
    for k in range(n):
        most = max((abs(products[k, m]) for m in range(n) if m != k), default=0.0)
        assert products[k, k] >= found.gamma * n * ratio**2 * most * (1 - 1e-12) or most == 0.0


@given(sets())
def test_margin_is_bracketed_and_agrees_with_an_independent_optimiser(data):
    found = certify(data)
    signed = data.y[:, None] * data.X
    assert found.margin <= found.margin_dual * (1 + 1e-15)
    if found.separable:
        u = np.array(found.direction)
        assert np.linalg.norm(u) == pytest.approx(1.0, rel=1e-12)
        assert (signed @ u).min() == pytest.approx(found.margin, rel=1e-9)
        assert found.margin_certified
    # The dual by SLSQP: a convex quadratic over the simplex.
    gram = signed @ signed.T
    best = minimize(
        lambda p: p @ gram @ p,
        np.full(len(gram), 1.0 / len(gram)),
        jac=lambda p: 2.0 * gram @ p,
        bounds=[(0.0, 1.0)] * len(gram),
        constraints=[{"type": "eq", "fun": lambda p: p.sum() - 1.0, "jac": np.ones_like}],
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 500},
    )
    # SLSQP reaches the squared norm to about 1e-9 at worst on these sets.
    assert found.margin_dual**2 == pytest.approx(best.fun, rel=1e-6, abs=1e-8)


def test_margin_of_two_points_is_the_distance_to_their_segment():
    data = Dataset(np.array([[3.0, 1.0], [-3.0, 1.0]]), np.array([1.0, 1.0]))
    assert certify(data).margin == pytest.approx(1.0, rel=1e-14)


def test_opposite_samples_of_one_label_are_not_separable():
    found = certify(Dataset(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.ones(2)))
    assert found.margin == 0.0 and not found.separable and found.direction is None


@given(sets(fewest=2), st.floats(1e-6, 1e6), st.randoms())
def test_scaling_scales_and_order_does_not_matter(data, factor, shuffler):
    order = list(range(data.samples))
    shuffler.shuffle(order)
    found = certify(data)
    other = certify(Dataset(factor * data.X[order], data.y[order]))
    assert other.margin == pytest.approx(factor * found.margin, rel=1e-8, abs=1e-12 * factor)
    assert other.gamma == pytest.approx(found.gamma, rel=1e-9)
    assert other.lambda_ == pytest.approx(factor**2 * found.lambda_, rel=1e-9)


@given(st.integers(2, 20), st.floats(1.0, 20.0), st.integers(0, 100))
def test_bounds_of_d_1_and_d_2_hold(samples, gamma, seed):
    near = certify(datasets.nearly_orthogonal(samples, 30, gamma, seed=seed))
    assert near.margin >= near.margin_bound * (1 - 1e-12)
    assert near.margin_bound**2 >= (1 - 1 / gamma) * near.R_min**2 / samples * (1 - 1e-9)
    apart = certify(datasets.orthogonally_separable(samples, 7, 0.2, seed=seed))
    assert apart.margin**2 >= apart.lambda_ * (1 - 1e-12)


@pytest.mark.parametrize(
    ("X", "gamma", "rho"),
    [
        (np.eye(3), math.inf, 0.0),
        (np.ones((1, 2)), math.inf, 0.0),
        (np.array([[1.0, 0.0], [1.0, 0.0]]), 0.5, 1.0),
        (np.array([[1.0, 0.0], [0.0, 0.0]]), 0.0, 0.0),
    ],
)
def test_degenerate_sets_have_certificates(X, gamma, rho):
    found = certify(Dataset(X, np.ones(len(X))))
    assert (found.gamma, found.rho) == (gamma, rho)
    assert json.dumps(found.as_dict(), allow_nan=False)
    assert all(len(line) == 3 for line in found.lines())


def test_classes_have_no_lambda_and_no_margin():
    found = certify(Dataset(np.eye(3), np.array([0.0, 1.0, 2.0])))
    assert found.lambda_ is None and found.margin is None and found.gamma == math.inf


def test_each_set_of_a_stack_has_its_certificate():
    single = [datasets.gaussian(5, 8, seed=seed) for seed in range(3)]
    assert certify_each(datasets.stack(single)) == tuple(certify(data) for data in single)

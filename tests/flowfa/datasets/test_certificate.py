"""Certificates against brute force, closed forms and an independent optimiser."""

from __future__ import annotations

import itertools
import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from flowfa import datasets
from flowfa.datasets import Dataset, certify, certify_each
from flowfa.errors import InputError


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


# --- exactness ------------------------------------------------------------------------------------


def ugly(separable):
    """Return data in mixed units, norms over six decades, with duplicates, and n above or below d.

    With u the first unit vector, all u_k have a first entry above 0.1, or there are two opposite
    ones. Units and sizes are powers of two, so that the judgement is as for the set before them.
    """

    def draw(n, d, seed, units, sizes, repeated):
        random = np.random.default_rng(seed)
        signed = random.standard_normal((n, d))
        signed[:, 0] = np.abs(signed[:, 0]) + 0.1
        if repeated:
            signed = np.concatenate([signed, signed[: (n + 1) // 2]])
        if not separable:
            signed = np.concatenate([signed, -signed[:1]])
        n = len(signed)
        signed *= 2.0 ** random.integers(-units, units + 1, d)
        signed *= 2.0 ** random.integers(-sizes, sizes + 1, (n, 1))
        y = random.choice((-1.0, 1.0), n)
        y[0] = -1.0  # Labels that are all +1 are binary too; this is for sets of one sample.
        return Dataset(y[:, None] * signed, y)

    return st.builds(
        draw,
        st.integers(1, 25),
        st.integers(1, 8),
        st.integers(0, 100_000),
        st.sampled_from([0, 10, 27]),
        st.sampled_from([0, 10]),
        st.booleans(),
    )


def heights(data, direction):
    """Return <u, u_k> in rational numbers."""
    return [
        Fraction(label) * sum(Fraction(a) * Fraction(b) for a, b in zip(x, direction, strict=True))
        for x, label in zip(data.X.tolist(), data.y.tolist(), strict=True)
    ]


@given(ugly(separable=True))
def test_separable_data_are_never_called_anything_else_than_separable(data):
    found = certify(data)
    assert found.separable is True
    norm2 = sum(Fraction(entry) ** 2 for entry in found.direction)
    assert min(heights(data, found.direction)) ** 2 >= Fraction(found.margin) ** 2 * norm2
    # The first unit vector separates them too: no upper bound may be below what it attains.
    first = min(heights(data, (1.0, *[0.0] * (data.dim - 1))))
    assert Fraction(found.margin_dual) >= first
    assert found.margin_certified


@given(ugly(separable=False))
def test_data_with_two_opposite_samples_are_never_called_separable(data):
    found = certify(data)
    assert found.separable is False
    assert found.margin_certified and found.margin == 0.0


@pytest.mark.parametrize("unit", [1e-8, 1e-3, 1e5, 1e7, 1e8, 1e12])
def test_the_margin_in_other_units_is_that_of_an_exact_solution(unit):
    """20 x 5 as in the report. 1 / ghat^2 = min ||v||^2 with <v, u_k> >= 1: solved in fractions."""
    random = np.random.default_rng(0)
    X, u = random.standard_normal((20, 5)), random.standard_normal(5)
    u /= np.linalg.norm(u)
    y = np.sign(X @ u)
    X += 0.05 * np.outer(y, u)
    X[:, 0] *= unit
    found = certify(Dataset(X, y))
    assert found.separable and found.margin_certified
    # KKT: on the support <v, u_k> = 1 and v = sum a_k u_k with a_k >= 0; elsewhere <v, u_k> >= 1.
    signed = [[Fraction(float(entry)) for entry in row] for row in y[:, None] * X]
    reached = np.array([float(h) for h in heights(Dataset(X, y), found.direction)])
    support = np.flatnonzero(reached < found.margin * (1 + 1e-6))
    rows = [signed[k] for k in support]
    weights = solved([[inner(a, b) for b in rows] for a in rows], [Fraction(1)] * len(rows))
    v = [sum(a * row[i] for a, row in zip(weights, rows, strict=True)) for i in range(5)]
    assert min(weights) >= 0 and min(inner(v, row) for row in signed) >= 1
    margin = 1.0 / math.sqrt(inner(v, v))
    assert found.margin == pytest.approx(margin, rel=1e-9)
    assert found.margin <= margin <= found.margin_dual


def inner(left, right):
    return sum(a * b for a, b in zip(left, right, strict=True))


def solved(matrix, right):
    """Return the solution of a linear system in fractions."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for k in range(len(rows)):
        at = next(i for i in range(k, len(rows)) if rows[i][k])
        rows[k], rows[at] = rows[at], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(len(rows)):
            if i != k:
                rows[i] = [x - rows[i][k] * z for x, z in zip(rows[i], rows[k], strict=True)]
    return [row[-1] for row in rows]


def test_data_that_no_one_can_separate_are_proved_so_with_many_features():
    """More samples than twice the features, labels at random: a vanishing combination exists."""
    random = np.random.default_rng(0)
    X = random.standard_normal((300, 60)) * 10.0 ** random.uniform(-8, 8, 60)
    found = certify(Dataset(X, random.choice((-1.0, 1.0), 300)))
    assert found.separable is False and found.margin_dual == 0.0


def test_weights_that_rounding_left_beside_zero_end_no_proof():
    """Samples under both labels: an active set has a weight that is zero but for rounding."""
    X = np.array(
        [
            [0.4925895832212129, -0.29454008596870257, 1.2688602758945176, 1.2350136446362832],
            [-0.8038954722124215, 1.102563605604863, -0.6933502448737148, -1.2782092969815657],
            [0.02836922610778705, 0.9259593879018854, 0.16475461659285678, -0.24401717640389128],
            [0.7863354091283702, -0.28125409761454306, -1.6606912179076363, -0.7782450469092671],
            [0.08892335258426011, 0.11685273216019672, 0.7553125433772953, 0.44119691259654964],
        ]
    )
    y = np.where(np.arange(9) % 2 == 0, -1.0, 1.0)
    found = certify(Dataset(X[np.arange(9) // 2], y))
    assert found.separable is False and found.margin_certified


def test_a_zero_sample_and_dependent_features_are_proved_inseparable():
    random = np.random.default_rng(1)
    X = random.standard_normal((30, 3))
    twice = np.concatenate([X, X[:, :1] + X[:, 1:2]], axis=1)
    y = random.choice((-1.0, 1.0), 30)
    assert certify(Dataset(twice, y)).separable is False
    X[4] = 0.0
    assert certify(Dataset(X[:6], np.ones(6))).separable is False


def test_what_is_not_proved_is_unknown(monkeypatch):
    """A start for the proofs that leads nowhere, and no digits beyond float64."""
    from flowfa.datasets import margin

    monkeypatch.setattr(margin, "_least_squares", lambda points: np.zeros(len(points)))
    monkeypatch.setattr(margin, "nearest_point", lambda points, start: None)
    data = Dataset(np.array([[1.0, 2.0], [2.0, 1.0]]), np.ones(2))
    found = certify(data)
    assert found.separable is None and not found.margin_certified and found.direction is None
    assert found.margin == 0.0 and found.margin_dual == pytest.approx(5.0**0.5)
    assert ("linearly separable", "unknown", "D-3") in found.lines()
    assert found.as_dict()["separable"] is None


def test_equal_samples_are_not_nearly_orthogonal():
    """R_min^2 = rho exactly, though the square of a rounded root is above it."""
    found = certify(Dataset(np.ones((2, 2)), np.array([1.0, -1.0])))
    assert found.spare == 0.0 and not found.nearly_orthogonal
    assert found.margin_bound == 0.0 == found.margin


def test_products_whose_terms_cancel_have_their_sign():
    """<x_1, x_2> = 1e16 - 1e16 + 0.5 - 0.25: lost in float64."""
    X = np.array([[1e8, 1e8, 0.5, -0.25], [1e8, -1e8, 1.0, 1.0]])
    found = certify(Dataset(X, np.ones(2)))
    assert found.lambda_ == found.rho == 0.25


def test_sizes_whose_products_leave_float64_are_refused():
    with pytest.raises(InputError, match=r"values from 1 to 1e\+200 in size.*multiply all by one"):
        certify(Dataset(np.array([[1.0, 1e200]]), np.ones(1)))

"""The event engine's parts, each against NumPy or brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowfa.flow.surfaces import find_surfaces
from flowfa.solvers.hybrid.drives import slide
from flowfa.solvers.hybrid.modes import select_modes
from flowfa.solvers.hybrid.newton import GAUSS, correct
from flowfa.solvers.hybrid.polynomials import NONE, first_negative, first_sign_change
from flowfa.solvers.hybrid.signals import NODES, STEP_TIMES, integrals, predictor, to_polynomial

roots = st.lists(st.floats(0.05, 1.5), min_size=3, max_size=3)


@given(roots, st.sampled_from([-1.0, 1.0]))
def test_first_negative_of_a_cubic_is_its_first_falling_root(places, lead):
    polynomial = lead * np.polynomial.polynomial.polyfromroots(places)
    if polynomial[0] < 0.0:
        polynomial = -polynomial
    found = first_negative(*polynomial, 1.0)
    grid = np.linspace(0.0, 1.0, 4001)
    values = np.polynomial.polynomial.polyval(grid, polynomial)
    negative = grid[values < -1e-12]
    if found == NONE:
        assert not len(negative)
    else:
        assert not (negative < found).any()
        assert min(abs(found - place) for place in places) < 1e-5


def test_two_close_crossings_within_a_step_are_not_missed():
    polynomial = np.polynomial.polynomial.polyfromroots([0.5, 0.5 + 1e-6, 3.0])
    found = first_negative(*(-polynomial), 1.0)
    assert abs(found - 0.5) < 1e-8


def test_a_grazing_contact_is_no_event():
    polynomial = np.polynomial.polynomial.polyfromroots([0.5, 0.5])
    assert first_negative(polynomial[0] + 1e-15, polynomial[1], polynomial[2], 0.0, 1.0) == NONE


@given(st.lists(st.floats(0.02, 2.0), min_size=1, max_size=6, unique=True))
def test_first_sign_change_of_degree_six_is_the_least_root(places):
    places = sorted(places)
    if any(b - a < 1e-3 for a, b in itertools.pairwise(places)):
        return
    polynomial = np.polynomial.polynomial.polyfromroots(places)
    polynomial = polynomial if polynomial[0] > 0.0 else -polynomial
    found = first_sign_change(polynomial, len(polynomial) - 1, 1.0, np.empty(7))
    if places[0] < 1.0:
        assert abs(found - places[0]) < 1e-9
    else:
        assert found == NONE


def consistent(K, d, G, alpha, modes):
    """Whether modes of attracting surfaces fit their velocities, with slopes of sliding ones."""
    sliding = [p for p, mode in enumerate(modes) if mode == 0]
    slopes = np.where(np.array(modes) > 0, 1.0, alpha)
    if sliding:
        others = [p for p in range(len(G)) if p not in sliding]
        rest = d + K[:, others] @ (slopes[others] * G[others])
        slopes[sliding] = np.linalg.solve(K[np.ix_(sliding, sliding)], -rest[sliding]) / G[sliding]
    velocity = d + K @ (slopes * G)
    return all(
        alpha - 1e-9 <= slopes[p] <= 1.0 + 1e-9 if modes[p] == 0 else velocity[p] * modes[p] >= 0
        for p in range(len(G))
    )


@given(st.integers(1, 5), st.integers(0, 10_000), st.sampled_from([0.0, 0.1, 0.7]))
def test_selected_modes_are_the_one_consistent_choice(size, seed, alpha):
    """All 3^n choices are tried; for attracting surfaces exactly one is consistent."""
    random = np.random.default_rng(seed)
    E = random.standard_normal((size, size + 2))
    E /= np.linalg.norm(E, axis=1)[:, None]
    K, d, G = E @ E.T, random.standard_normal(size), -np.abs(random.standard_normal(size)) - 0.01
    modes = np.ones(size, np.int8)
    space = [np.empty(size), np.empty(size, np.int8)]
    space += [np.empty(size, np.int64), np.empty(size, np.int64)]
    space += [np.empty((size, size)), np.empty((size, 3))]
    zero = np.arange(size)
    repelling = select_modes(K, zero, size, G, modes, d.copy(), alpha, *space)
    found = [c for c in itertools.product((-1, 0, 1), repeat=size) if consistent(K, d, G, alpha, c)]
    assert found == [tuple(modes)] and repelling == 0


@pytest.mark.parametrize("dependent", [False, True])
def test_sliding_surfaces_stand_still(dependent):
    random = np.random.default_rng(2)
    E = random.standard_normal((6, 4))
    if dependent:
        E[1] = E[0] + 1e-12 * E[3]
    E /= np.linalg.norm(E, axis=1)[:, None]
    K = E @ E.T
    modes = np.array([0, 0, 0, 1, -1, 1], np.int8)
    u = random.standard_normal((3, 6)) * (modes != 0)
    full_u, full_A = np.empty((3, 6)), np.empty((3, 6))
    space = np.empty(6, np.int64), np.empty((6, 6)), np.empty((6, 3))
    found = slide(modes, K, u, u @ K, 3, full_u, full_A, *space)
    assert found == dependent
    assert np.abs(full_A[:, :3]).max() < 1e-10
    np.testing.assert_allclose(full_A, full_u @ K, atol=1e-9)
    np.testing.assert_array_equal(full_u[:, 3:], u[:, 3:])


def test_merged_samples_keep_their_sum_of_signals():
    """R and L of merged samples make the drives that the samples make one by one."""
    random = np.random.default_rng(3)
    e = random.standard_normal((2, 3))
    X = np.stack([e[0], e[1], -2.0 * e[0], 0.5 * e[1], np.zeros(3), e[0]])
    surfaces = find_surfaces(X[None])
    assert surfaces.gram.shape == (1, 2, 2) and surfaces.merged
    r, leak, w = random.standard_normal(6), 0.1, random.standard_normal(3)
    R, L = surfaces.signals(r[None, None], leak)
    zeta = surfaces.directions[0] @ w
    slopes = np.where(zeta > 0.0, 1.0, leak)
    merged = (slopes * R[0, 0] + L[0, 0]) @ surfaces.directions[0]
    single = (np.where(X @ w > 0.0, 1.0, leak) * r) @ X
    np.testing.assert_allclose(merged, single, rtol=1e-12)


def test_quadratics_on_a_step_are_exact():
    coefficients = np.array([0.3, -1.2, 0.7])
    at = np.polynomial.polynomial.polyval(STEP_TIMES, coefficients)[None]
    np.testing.assert_allclose(to_polynomial(at[:, :3])[0], coefficients, atol=1e-14)
    np.testing.assert_allclose(predictor(at)[0], coefficients, atol=1e-13)
    whole = integrals(coefficients[None], np.ones((1, 1)))[0, 0]
    np.testing.assert_allclose(whole, 0.3 - 0.6 + 0.7 / 3.0)


def test_newton_solves_a_linear_flow_at_once():
    """dr/dt = J r with r' Theta = J: one correction gives the collocation solution."""
    random = np.random.default_rng(4)
    size, n = 0.7, 3
    Theta = random.standard_normal((n, n))
    slope = -np.ones((1, 1, 1, n))
    start = random.standard_normal(n)

    def sweep(signals):
        return start - size * np.einsum("ij,jk->ik", GAUSS, signals @ Theta.T)

    guess = random.standard_normal((3, n))
    defect = (sweep(guess) - guess)[None, :, None]
    kernel = Theta.reshape(1, 1, n, 1, n)
    solved = guess + correct(kernel, slope, np.array([size]), defect)[0, :, 0]
    np.testing.assert_allclose(sweep(solved), solved, atol=1e-12)
    np.testing.assert_allclose(GAUSS.sum(axis=1), NODES, atol=1e-14)

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
from flowfa.solvers.hybrid.records import (
    DRIVE,
    FULL_A,
    FULL_U,
    MODES,
    PUSH,
    ZERO,
    A,
    Scratch,
    U,
)
from flowfa.solvers.hybrid.signals import (
    NODES,
    STEP_TIMES,
    TO_AHEAD,
    TO_MONOMIAL,
    integral_of,
    write_coefficients,
    write_values,
)

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


def scratch_for(surfaces):
    """Space of one neuron with one output, its surfaces in mode 1."""
    scratch = Scratch(
        np.zeros((7, surfaces)),
        np.zeros((6, 3, surfaces)),
        np.zeros((4, surfaces)),
        np.zeros((8, surfaces), np.int64),
        np.zeros((6, 1)),
        np.zeros((3, 7)),
        np.zeros((surfaces, surfaces)),
        np.zeros((surfaces, 3)),
        np.zeros((1, 1)),
        np.zeros((1, 1)),
        np.zeros((1, 1)),
        np.zeros((1, 1)),
        np.zeros(6, np.int64),
    )
    scratch.marks[MODES] = 1
    return scratch


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
    scratch = scratch_for(size)
    scratch.marks[ZERO], scratch.lines[PUSH], scratch.lines[DRIVE] = np.arange(size), G, d
    repelling = select_modes(K, alpha, size, scratch)
    modes = scratch.marks[MODES]
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
    modes = np.array([0, 0, 0, 1, -1, 1])
    u = random.standard_normal((3, 6)) * (modes != 0)
    scratch = scratch_for(6)
    scratch.marks[MODES], scratch.drives[U], scratch.drives[A] = modes, u, u @ K
    assert slide(K, scratch) == dependent
    full_u, full_A = scratch.drives[FULL_U], scratch.drives[FULL_A]
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
    at = np.polynomial.polynomial.polyval(STEP_TIMES, coefficients)[:, None, None]
    found, following = np.empty((3, 1, 1)), np.empty((3, 1, 1))
    write_coefficients(TO_MONOMIAL, at[:3], found)
    np.testing.assert_allclose(found[:, 0, 0], coefficients, atol=1e-14)
    write_coefficients(TO_AHEAD, at[1:], found)
    np.testing.assert_allclose(found[:, 0, 0], coefficients, atol=1e-13)
    write_values(found, 0.5, following)
    expected = np.polynomial.polynomial.polyval(1.0 + 0.5 * NODES, coefficients)
    np.testing.assert_allclose(following[:, 0, 0], expected, atol=1e-13)
    np.testing.assert_allclose(integral_of(found, 0, 1.0), 0.3 - 0.6 + 0.7 / 3.0)


def test_newton_solves_a_linear_flow_at_once():
    """dr/dt = J r with r' Theta = J: one correction gives the collocation solution."""
    random = np.random.default_rng(4)
    size, n = 0.7, 3
    Theta = random.standard_normal((n, n))
    slope = -np.ones((1, 1, n))
    start = random.standard_normal(n)

    def sweep(signals):
        return start - size * np.einsum("ij,jk->ik", GAUSS, signals @ Theta.T)

    guess = random.standard_normal((3, n))
    correction = (sweep(guess) - guess)[:, None]
    correct(Theta.reshape(1, n, 1, n), slope, size, correction)
    solved = guess + correction[:, 0]
    np.testing.assert_allclose(sweep(solved), solved, atol=1e-12)
    np.testing.assert_allclose(GAUSS.sum(axis=1), NODES, atol=1e-14)

"""Gauss collocation: its coefficients, its order, what it keeps, and how it fails."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from flowfa.datasets.dataset import Dataset
from flowfa.errors import InputError
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import Problem, build_ensemble
from flowfa.solvers.collocation import GAUSS
from flowfa.solvers.collocation import stages as stage_iteration
from flowfa.solvers.collocation.stages import solve_stages
from flowfa.solvers.collocation.step import gauss_dense_output, take_step
from flowfa.solvers.registry import make_solver, solver_names
from flowfa.solvers.stepping.controller import Tolerance
from flowfa.solvers.stepping.integration import Integration
from flowfa.solvers.stepping.solve import solve
from flowfa.solvers.stepping.status import Status
from flowfa.testing import SolverTestCase
from flowfa.testing.fields import ForcedOscillators, Sliding
from flowfa.testing.solvers import Saved
from tests.support.nightly import some_now
from tests.support.rooted_trees import FAILS, order_of, worst_residual

METHODS = [GAUSS.get(name) for name in GAUSS.names()]
every = pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
ROUNDING = 1e-15


class TestGauss2(SolverTestCase):
    tolerance = 3e-4

    def make(self):
        return make_solver("gauss2", rtol=3e-5)


class TestGauss4(SolverTestCase):
    tolerance = 1e-5

    def make(self):
        return make_solver("gauss4", rtol=1e-4)


class TestGauss6(SolverTestCase):
    tolerance = 1e-7

    def make(self):
        return make_solver("gauss6", rtol=1e-4)


# ---- coefficients ------------------------------------------------------------------------------


def asymmetry(matrix, weights):
    """Of b_i a_ij + b_j a_ji = b_i b_j, which makes quadratic invariants hold."""
    scaled = weights[:, None] * matrix
    return np.abs(scaled + scaled.T - np.outer(weights, weights)).max()


def extended(method):
    """Matrix and weights over k_0, ..., k_{s+1}."""
    s = method.stages
    matrix = np.zeros((s + 2, s + 2))
    matrix[1 : s + 1, 1 : s + 1] = method.matrix
    matrix[s + 1, 1 : s + 1] = method.weights
    return matrix, np.concatenate([[0.0], method.weights, [0.0]])


@every
def test_simplifying_assumptions_hold_to_rounding(method):
    """B(2s), C(s), D(s) of Butcher, which give order 2s, and B(2s + 1) fails."""
    s, c, b, a = method.stages, method.nodes, method.weights, method.matrix
    for q in range(1, 2 * s + 1):
        assert b @ c ** (q - 1) == pytest.approx(1 / q, abs=ROUNDING)
    assert abs(b @ c ** (2 * s) - 1 / (2 * s + 1)) > 1e-4
    for q in range(1, s + 1):
        np.testing.assert_allclose(a @ c ** (q - 1), c**q / q, atol=ROUNDING)
        np.testing.assert_allclose((b * c ** (q - 1)) @ a, b * (1 - c**q) / q, atol=ROUNDING)


@every
def test_coefficients_keep_quadratic_invariants(method):
    assert asymmetry(method.matrix, method.weights) < ROUNDING
    wrong = method.matrix.copy()
    wrong[0, -1] += 1e-6
    assert asymmetry(wrong, method.weights) > 1e-7


def test_gauss4_has_the_coefficients_of_hammer_and_hollingsworth():
    method, r = GAUSS.get("gauss4"), np.sqrt(3) / 6
    np.testing.assert_allclose(method.nodes, [0.5 - r, 0.5 + r], rtol=ROUNDING)
    np.testing.assert_allclose(method.matrix, [[0.25, 0.25 - r], [0.25 + r, 0.25]], atol=ROUNDING)


@every
def test_order_conditions_hold_up_to_the_claimed_order_and_no_further(method):
    assert order_of(method.matrix, method.weights) == method.order == 2 * method.stages
    assert worst_residual(method.matrix, method.weights, method.order + 1) > FAILS


@every
def test_embedded_formula_has_the_order_that_the_estimate_claims(method):
    matrix, weights = extended(method)
    assert order_of(matrix, weights - method.error) == method.error_order


@every
def test_interpolant_ends_in_the_step_with_the_slopes_of_both_ends(method):
    matrix, weights = extended(method)
    unit = np.eye(method.stages + 2)
    np.testing.assert_allclose(method.interpolant.sum(1), weights, atol=1e-14)
    np.testing.assert_allclose(method.slopes[:, 0], unit[0], atol=1e-14)
    np.testing.assert_allclose(method.slopes.sum(1), unit[-1], atol=1e-13)
    powers = np.arange(1, method.interpolant.shape[1] + 1)
    for theta in (0.2, 0.5, 0.9):
        for order in range(1, method.stages + 2):
            inside = method.interpolant @ theta**powers
            assert worst_residual(matrix, inside, order, theta) < 1e-14


# ---- one step and its stage equations ----------------------------------------------------------


class Decay:
    """y' = -rate y in each component; trajectory i has rates of its own, (trajectory, 2)."""

    def __init__(self, rates):
        self.rates = rates

    def __call__(self, time, state):
        return -self.rates * state

    def select(self, rows):
        return Decay(self.rates[rows])

    def switching(self, state):
        return None

    def surface_name(self, surface):
        raise IndexError(surface)


@every
def test_global_error_falls_with_the_order(method):
    """Fixed steps on a non-autonomous problem; an autonomous one cannot see a wrong node."""
    field = ForcedOscillators(torch.tensor([2.0]).double(), torch.tensor([0.7]).double())
    initial = torch.tensor([[0.5, 1.0]], dtype=torch.float64)
    end = torch.tensor([2.0], dtype=torch.float64)
    exact = field.exact(initial, end)[:, 0]
    errors = []
    for count in (16, 32):
        state, size = initial, end / count
        for index in range(count):
            time = index * size
            velocity = field(time, state)
            guess = velocity[:, None].repeat(1, method.stages, 1)
            tolerance = Tolerance(1e-12, 1e-12)
            step, stages = take_step(method, field, tolerance, time, state, velocity, size, guess)
            assert stages.solved.all()
            state = step.after
        errors.append(float((state - exact).norm()))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(method.order, abs=0.3)


def stages_of(method, rates):
    field, ones = Decay(rates), torch.ones(len(rates), dtype=torch.float64)
    state = torch.ones_like(rates)
    guess = field(0 * ones, state)[:, None].repeat(1, method.stages, 1)
    return solve_stages(method, field, Tolerance(1e-6, 1e-8), 0 * ones, state, ones, guess)


@every
def test_acceleration_solves_where_plain_iteration_diverges(method, monkeypatch):
    """h L = 20 in one direction; the slopes are those of the linear system, by numpy."""
    rates = torch.tensor([[20.0, 0.1]], dtype=torch.float64)
    found = stages_of(method, rates)
    assert found.solved.all()
    for component in (0, 1):
        rate = float(rates[0, component])
        system = np.eye(method.stages) + rate * method.matrix
        exact = np.linalg.solve(system, np.full(method.stages, -rate))
        np.testing.assert_allclose(found.slopes[0, :, component], exact, rtol=1e-11)
    monkeypatch.setattr(stage_iteration, "DEPTH", 0)
    assert not stages_of(method, rates).solved.any()


@every
def test_a_hopeless_trajectory_changes_nothing_in_another_ones_iteration(method):
    rates = torch.tensor([[1.0, 2.0], [torch.nan, 1.0], [0.3, 0.0]], dtype=torch.float64)
    together = stages_of(method, rates)
    assert together.solved.tolist() == [True, False, True]
    for row in (0, 2):
        alone = stages_of(method, rates[row : row + 1])
        assert torch.equal(together.slopes[row], alone.slopes[0])
        assert together.iterations[row] == alone.iterations[0]


@every
def test_states_inside_a_step_fall_back_on_the_interpolant(method, monkeypatch):
    """Where no shorter step can be solved; within one step it errs by O(h^(s + 2))."""
    field = ForcedOscillators(torch.tensor([2.0]).double(), torch.tensor([0.7]).double())
    time, tolerance = torch.zeros(1, dtype=torch.float64), Tolerance(1e-12, 1e-12)
    initial = torch.tensor([[0.5, 1.0]], dtype=torch.float64)
    velocity = field(time, initial)
    theta = torch.linspace(0.1, 0.9, 9, dtype=torch.float64)
    errors: dict[bool, list[float]] = {True: [], False: []}
    for size in (torch.tensor([0.1]).double(), torch.tensor([0.05]).double()):
        guess = velocity[:, None].repeat(1, method.stages, 1)
        step, _ = take_step(method, field, tolerance, time, initial, velocity, size, guess)
        run = Integration.begin(initial, torch.tensor([0.0, 1.0]).double())
        for solvable in (True, False):
            with monkeypatch.context() as patch:
                patch.setattr(stage_iteration, "MOST", 25 if solvable else 1)
                dense = gauss_dense_output(method, field, run, tolerance, step)
                states = dense(torch.tensor([0]))(torch.zeros(9, dtype=torch.int64), theta)
            exact = field.exact(initial, theta * size)[0]
            errors[solvable].append(float((states - exact).abs().max()))
    slopes = {solvable: np.log2(pair[0] / pair[1]) for solvable, pair in errors.items()}
    assert slopes[False] == pytest.approx(method.stages + 2, abs=0.4)
    assert slopes[True] == pytest.approx(method.order + 1, abs=0.4)


# ---- whole integrations ------------------------------------------------------------------------


def run_to(field, initial, solver, saves=2, end=3.0):
    run = Integration.begin(initial, torch.linspace(0.0, end, saves, dtype=torch.float64))
    saved = Saved(len(initial), saves, initial.shape[1])
    solve(field, run, solver, saved)
    return run, saved.states


def network(rule, leak=1.0, widths=(5, 4), trajectories=3):
    random = np.random.default_rng(3)
    data = Dataset(random.standard_normal((6, 8)) / 3.0, random.choice((-1.0, 1.0), 6))
    problem = Problem(data, widths, leak, rule, "logistic", bias="hidden")
    return NetworkFlow(problem, build_ensemble(problem, trajectories, seed=0))


@pytest.mark.parametrize(
    ("name", "control"),
    some_now(
        [("gauss2", "pi"), ("gauss4", "i"), ("gauss4", "pi"), ("gauss6", "pi")],
        [("gauss4", "i"), ("gauss6", "pi")],
    ),
)
def test_error_follows_the_tolerance(name, control):
    """A step's estimate is O(h^(s+2)) and the global error O(h^(2s)): rtol^(2s / (s + 2))."""
    method = GAUSS.get(name)
    field, initial = SolverTestCase.oscillators()
    rtols = np.array([1e-2, 1e-5] if method.stages == 1 else [1e-3, 1e-6])
    errors = []
    for rtol in rtols:
        run, _ = run_to(field, initial, make_solver(name, rtol=rtol, control=control))
        errors.append(float((run.state - field.exact(initial, run.save_times)[:, -1]).abs().max()))
    expected = rtols ** (method.order / (method.stages + 2))
    assert (errors < expected).all()
    assert errors[0] / errors[1] > 0.5 * expected[0] / expected[1]


@pytest.mark.parametrize("rule", some_now(["gd", "fa", "dfa"], ["dfa"]))
def test_network_flow_agrees_with_scipy(rule):
    """scipy's Radau at rtol 1e-10 on smooth flows (alpha = 1), also between steps."""
    flow = network(rule)
    single = flow.field.select(torch.tensor([1]))

    def velocity(t, y):
        return single(torch.zeros(1), torch.tensor(y)[None])[0].numpy()

    times = np.linspace(0.0, 10.0, 9)
    start = flow.initial[1].numpy()
    oracle = solve_ivp(velocity, (0, 10), start, "Radau", times, rtol=1e-10, atol=1e-12)
    for name, allowed in (("gauss4", 1e-6), ("gauss6", 1e-8)):
        _, states = run_to(flow.field, flow.initial, make_solver(name, rtol=1e-7), 9, 10.0)
        np.testing.assert_allclose(states[1].numpy().T, oracle.y, rtol=0.0, atol=allowed)


def drift(flow, solver):
    """Largest change of C-1 at 30 saved times, over all neurons that have the law."""
    run, states = run_to(flow.field, flow.initial, solver, 30, 20.0)
    assert run.status == [Status.OK] * len(flow)
    rows = torch.arange(len(flow))
    laws = torch.stack([flow.observe(states[:, k], rows)["conserved"] for k in range(30)])
    claimed = (laws - laws[0]).abs()[~laws.isnan()]
    assert len(claimed) >= 30 * len(flow) * flow.problem.sizes[-2]
    return float(claimed.max())


@pytest.mark.parametrize("rule", some_now(["gd", "fa", "dfa"], ["fa"]))
def test_quadratic_laws_hold_to_rounding_whatever_the_tolerance(rule):
    """C-1 and C-2 at every saved time, inside steps too; the explicit pair drifts visibly."""
    flow = network(rule)
    assert drift(flow, make_solver("gauss2", rtol=1e-4)) < 1e-11
    assert drift(flow, make_solver("gauss4", rtol=1e-6)) < 1e-12
    assert drift(flow, make_solver("gauss6", rtol=1e-6)) < 1e-12
    assert drift(flow, make_solver("dop853", rtol=1e-6)) > 1e-10


@pytest.mark.parametrize("rule", ["gd", "fa"])
def test_networks_batched_equal_loop(rule):
    flow = network(rule)
    together, states = run_to(flow.field, flow.initial, make_solver("gauss6", rtol=1e-5), 7)
    for i in range(len(flow)):
        row = torch.tensor([i])
        run, alone = run_to(
            flow.field.select(row), flow.initial[row], make_solver("gauss6", rtol=1e-5), 7
        )
        assert torch.equal(states[i], alone[0])
        for name in ("steps", "rejected", "evaluations"):
            assert run.counters[name][0] == together.counters[name][i]


def test_every_evaluation_is_counted():
    seen = 0

    class Counting(ForcedOscillators):
        def __call__(self, time, state):
            nonlocal seen
            seen += len(state)
            return super().__call__(time, state)

        def select(self, rows):
            return Counting(self.frequency[rows], self.damping[rows])

    field, initial = SolverTestCase.oscillators()
    counting = Counting(field.frequency, field.damping)
    run, _ = run_to(counting, initial, make_solver("gauss6", rtol=1e-4), 40)
    assert run.counters["evaluations"].sum() == seen


# ---- where it does not belong ------------------------------------------------------------------


@every
def test_kinks_that_are_crossed_are_crossed_rightly(method):
    class Crossing(Sliding):
        def __call__(self, time, state):
            push = 2.0 * torch.cos(7.0 * time) + 0.5 * state[:, 0].sign()
            return torch.stack([push, torch.ones_like(push)], dim=1)

    def velocity(t, y):
        return [2.0 * np.cos(7.0 * t) + 0.5 * np.sign(y[0]), 1.0]

    times, start = np.linspace(0.0, 3.0, 31), [-0.15, 0.0]
    oracle = solve_ivp(
        velocity, (0.0, 3.0), start, "RK45", times, rtol=1e-9, atol=1e-12, max_step=0.01
    )
    initial = torch.tensor([start], dtype=torch.float64)
    run, states = run_to(Crossing(), initial, make_solver(method.name), 31)
    assert run.status == [Status.OK]
    assert oracle.y[0].min() < 0.0 < oracle.y[0].max()
    np.testing.assert_allclose(states[0].numpy().T, oracle.y, rtol=0.0, atol=1e-3)


@every
def test_sliding_ends_in_a_status_that_names_the_surface(method):
    """y_1' = -sign(y_1) + cos(t)/2 has no slopes to find on y_1 = 0."""
    initial = torch.tensor([[0.2, 0.0]], dtype=torch.float64)
    run, _ = run_to(Sliding(), initial, make_solver(method.name, rtol=1e-6), end=50.0)
    assert run.status[0] in (Status.STAGE_EQUATIONS, Status.CHATTERING)
    assert "the wall" in run.message(0) and "take" in run.message(0)
    assert abs(float(run.state[0, 0])) < 1e-3


def test_stage_equations_without_a_solution_are_a_status_with_a_remedy():
    class Unannounced(Sliding):
        def switching(self, state):
            return None

    initial = torch.tensor([[0.2, 0.0]], dtype=torch.float64)
    run, _ = run_to(Unannounced(), initial, make_solver("gauss4", rtol=1e-6))
    assert run.status == [Status.STAGE_EQUATIONS]
    assert "stage equations" in run.message(0) and 'solver="bosh3"' in run.message(0)


@every
def test_a_stiff_flow_that_runs_out_of_steps_is_called_stiff(method):
    rates = torch.logspace(0, 6, 40).double()[None]
    field, initial = Decay(rates), torch.ones_like(rates)
    run, _ = run_to(field, initial, make_solver(method.name, max_steps=40))
    assert run.status == [Status.MAX_STEPS]
    assert "too stiff" in run.message(0) and '`solver="dopri5"`' in run.message(0)
    smooth, start = SolverTestCase.oscillators()
    run, _ = run_to(smooth, start, make_solver(method.name, rtol=1e-8, max_steps=20))
    assert run.status == [Status.MAX_STEPS] * 5
    assert "stiff" not in run.message(0)


def test_unusable_settings_are_refused():
    assert set(GAUSS.names()) == {"gauss2", "gauss4", "gauss6"} <= set(solver_names())
    with pytest.raises(InputError, match="leave out `step`"):
        make_solver("gauss4", step=0.1)
    with pytest.raises(InputError, match="finer than gauss6"):
        make_solver("gauss6", rtol=5e-14)
    with pytest.raises(InputError, match="did you mean 'gauss"):
        make_solver("gauss8")

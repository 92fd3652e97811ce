"""The hybrid solver on flows whose neurons cross kinks and slide along them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

import flowfa
from flowfa.datasets.dataset import Dataset
from flowfa.errors import InputError
from flowfa.flow.network_flow import NetworkFlow
from flowfa.flow.sliding import with_sliding_slopes
from flowfa.problems.ensemble import build_ensemble
from flowfa.problems.losses.squared import Squared
from flowfa.problems.starts import given_start
from flowfa.solvers.registry import make_solver
from flowfa.solvers.stepping.integration import Integration
from flowfa.solvers.stepping.solve import solve
from flowfa.solvers.stepping.status import Status
from tests.support.nightly import some_now
from tests.support.sliding import RULES, agrees_with_euler, integrate, network


@pytest.mark.parametrize(
    ("loss", "bias"),
    [pytest.param("exponential", "none", marks=pytest.mark.slow), ("cross-entropy", "all")],
)
def test_agrees_with_extrapolated_euler_where_neurons_slide(loss, bias):
    flow = network(loss, RULES[:5], bias)
    run, _ = integrate(flow, rtol=1e-6)
    assert run.status == [Status.OK] * len(flow)
    assert run.counters["slidings"].sum() > 20
    agrees_with_euler(flow, run, 8.0)


# Every loss, and biases with some of them; the other pairs show more of the same.
@pytest.mark.parametrize(
    ("loss", "bias"),
    [
        ("exponential", "all"),
        ("cross-entropy", "none"),
        pytest.param("logistic", "none", marks=pytest.mark.slow),
        pytest.param("squared", "all", marks=pytest.mark.slow),
        pytest.param("exponential", "none", marks=pytest.mark.slow),
        pytest.param("logistic", "all", marks=pytest.mark.slow),
        pytest.param("cross-entropy", "all", marks=pytest.mark.slow),
        pytest.param("squared", "none", marks=pytest.mark.slow),
    ],
)
def test_error_is_near_the_tolerance(loss, bias):
    flow = network(loss, bias=bias)
    reference, _ = integrate(flow, rtol=1e-8)
    scale = torch.maximum(flow.initial.abs().amax(1), torch.tensor(1.0).double())
    for rtol in (1e-3, 1e-5):
        run, _ = integrate(flow, rtol=rtol)
        error = (run.state - reference.state).abs().amax(1) / scale
        assert float(error.max()) < 20.0 * rtol


@pytest.mark.parametrize("leak", [0.0, 0.1])
@pytest.mark.parametrize("bias", ["none", "hidden", "all"])
def test_law_holds_to_rounding_whatever_the_tolerance(leak, bias):
    """C-1 for rules with given feedback: the paths are exact under the guessed signals."""
    flow = network(rules=RULES[1:], bias=bias, leak=leak)
    rows = torch.arange(len(flow))
    before = flow.observe(flow.initial, rows)["conserved"]
    run, _ = integrate(flow, rtol=1e-3)
    drift = (flow.observe(run.state, rows)["conserved"] - before).abs()
    assert float(drift.max()) < 1e-12


def test_law_of_gd_holds_to_the_tolerance():
    flow = network(rules=("gd",))
    rows = torch.arange(len(flow))
    before = flow.observe(flow.initial, rows)["conserved"]
    drifts = []
    for rtol in (1e-4, 1e-6):
        run, _ = integrate(flow, rtol=rtol)
        drifts.append(float((flow.observe(run.state, rows)["conserved"] - before).abs().max()))
    assert drifts[0] < 1e-3 and drifts[1] < drifts[0] / 20.0


def test_saved_states_are_those_of_a_run_that_ends_there():
    flow = network()
    run, states = integrate(flow, end=6.0, saves=4, rtol=1e-7)
    assert torch.equal(states[:, -1], run.state)
    for index, end in ((1, 2.0), (2, 4.0)):
        shorter, _ = integrate(flow, end=end, rtol=1e-7)
        assert float((states[:, index] - shorter.state).abs().max()) < 1e-5


def test_batched_equals_loop():
    flow = network(rules=("gd", "signfa"))
    together, _ = integrate(flow, rtol=1e-4)
    for row in range(len(flow)):
        alone = network(rules=("gd", "signfa"))
        one = torch.tensor([row])
        run = Integration.begin(alone.initial[one], torch.tensor([0.0, 8.0]).double())
        solve(alone.field.select(one), run, make_solver("hybrid", rtol=1e-4), lambda *_: None)
        assert torch.equal(run.state[0], together.state[row])


def test_merged_samples_give_the_flow_of_the_samples_themselves():
    """Duplicates, opposites, scaled copies and a zero sample, against Euler, which merges none."""
    random = np.random.default_rng(3)
    X = 2.0 * random.standard_normal((4, 5)) / 5**0.5
    X = np.concatenate([X, X[:1], -X[1:2], 0.5 * X[2:3], np.zeros((1, 5))])
    for bias in ("none", "hidden"):
        flow = network(X=X, rules=("fa", "gd"), bias=bias)
        run, _ = integrate(flow, end=4.0, rtol=1e-6)
        agrees_with_euler(flow, run, 4.0)


def test_data_of_their_own_equal_shared_data():
    random = np.random.default_rng(5)
    X = 2.0 * random.standard_normal((2, 8, 5)) / 5**0.5
    y = random.choice((-1.0, 1.0), (2, 8))
    own = flowfa.Problem(Dataset(X, y), (10,), rule="fa", initial="xavier")
    run = flowfa.simulate(own, t_end=5.0, save=3, solver="hybrid", rtol=1e-6)
    for start in range(2):
        single = flowfa.Problem(Dataset(X[start], y[start]), (10,), rule="fa", initial="xavier")
        alone = flowfa.simulate(single, 2, t_end=5.0, save=3, solver="hybrid", rtol=1e-6)
        np.testing.assert_allclose(
            run.tree["trajectory"]["loss"].values[start],
            alone.tree["trajectory"]["loss"].values[start],
            rtol=1e-10,
        )


def test_random_labels_reach_the_end_in_a_few_steps():
    """The problem that stops adaptive explicit solvers: they end as chattering."""
    data = flowfa.datasets.gaussian(samples=20, dim=50, seed=0)
    problem = flowfa.Problem(data, (100,), initial="xavier")
    run = flowfa.simulate(problem, 2, t_end=50.0, solver="hybrid", rtol=1e-5)
    assert run.statuses == ["ok", "ok"]
    solver = run.tree["solver"]
    assert (solver["steps"].values < 60).all() and (solver["slidings"].values > 50).all()


def test_what_the_hybrid_solver_cannot_treat_is_refused_with_the_remedy():
    data = flowfa.datasets.gaussian(samples=5, dim=4)
    deep = flowfa.Problem(data, (4, 3))
    with pytest.raises(InputError, match="one hidden layer, but there are 2: take"):
        flowfa.simulate(deep, 1, solver="hybrid")
    shallow = flowfa.Problem(data, (4,))
    with pytest.raises(InputError, match="finer than the hybrid solver reaches"):
        flowfa.simulate(shallow, 1, solver="hybrid", rtol=1e-13)
    with pytest.raises(InputError, match="leave out `dtype`"):
        flowfa.simulate(shallow, 1, solver="hybrid", dtype="float32")


def test_stored_and_restored_run_continues_bit_for_bit():
    flow = network(rules=("gd", "signfa"), bias="all")
    whole, _ = integrate(flow, rtol=1e-6)
    run = Integration.begin(flow.initial, torch.tensor([0.0, 8.0], dtype=torch.float64))

    def stop(run):
        if run.counters["evaluations"].max() >= 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve(flow.field, run, make_solver("hybrid", rtol=1e-6), lambda *_: None, stop)
    restored = Integration.from_arrays(run.to_arrays(), torch.device("cpu"))
    solve(flow.field, restored, make_solver("hybrid", rtol=1e-6), lambda *_: None)
    assert torch.equal(restored.state, whole.state)


def test_a_broken_start_ends_alone():
    flow = network(rules=("fa",), starts=3)
    whole, _ = integrate(flow, rtol=1e-5)
    flow.initial[1, 0] = torch.nan
    run, _ = integrate(flow, rtol=1e-5)
    assert [status.label for status in run.status] == ["ok", "non-finite", "ok"]
    assert torch.equal(run.state[[0, 2]], whole.state[[0, 2]])


@pytest.mark.parametrize("factor", some_now([1e20, 1e150], [1e150]))
@pytest.mark.parametrize("rule", ["gd", "fa"])
def test_a_start_whose_equations_cannot_be_solved_ends_alone(rule, factor):
    flow = network("squared", rules=(rule,), starts=3)
    whole, _ = integrate(flow, rtol=1e-5, max_steps=200)
    flow.layout.views(flow.initial)["W1"][1] *= factor
    run, _ = integrate(flow, rtol=1e-5, max_steps=200)
    assert run.status[::2] == [Status.OK, Status.OK]
    assert run.status[1] in (Status.MAX_STEPS, Status.STEP_UNDERFLOW)
    assert torch.equal(run.state[[0, 2]], whole.state[[0, 2]])


def test_a_neuron_whose_slopes_overflow_is_measured_alone():
    """Two samples are held at zero in each network; the signals of one are infinite."""
    X = np.array([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    flow = network("squared", ("fa",), X=X, width=2, outputs=1)
    views = flow.layout.views(flow.initial)
    views["W1"][:, :, :2] = 0.0
    alone = flow.observe(flow.initial, torch.arange(2))
    views["W2"][0] = 1e308
    views["W1"][0, :, 2] = 1e10
    both = flow.observe(flow.initial, torch.arange(2))
    assert not both["update_norm"][0].isfinite()
    assert torch.equal(both["update_norm"][1], alone["update_norm"][1])


@pytest.mark.parametrize(("rules", "width"), [(("gd", "fa"), 30), (("fa",), 520)])
def test_bits_do_not_depend_on_the_threads(rules, width):
    """Several trajectories have a thread each; the neurons of a large single one share them."""
    flow = network(rules=rules, width=width, starts=1)
    one, _ = integrate(flow, end=1.0, rtol=1e-4)
    torch.set_num_threads(2)
    try:
        two, _ = integrate(flow, end=1.0, rtol=1e-4)
    finally:
        torch.set_num_threads(1)
    assert torch.equal(one.state, two.state)


def test_bits_do_not_depend_on_how_many_steps_a_call_takes(monkeypatch):
    flow = network(starts=1)
    whole, saved = integrate(flow, saves=5, rtol=1e-4)
    monkeypatch.setattr("flowfa.solvers.hybrid.solver.MOST_STEPS", 1)
    stepped, saved_stepped = integrate(flow, saves=5, rtol=1e-4)
    assert torch.equal(whole.state, stepped.state) and torch.equal(saved, saved_stepped)
    for name, count in whole.counters.items():
        np.testing.assert_array_equal(count, stepped.counters[name])


DATA = Dataset(
    np.random.default_rng(5).standard_normal((7, 4)), np.random.default_rng(6).standard_normal(7)
)


@pytest.mark.parametrize("rules", [("fa", "gd"), ("signfa",)])
def test_a_loss_of_ones_own_has_the_numbers_of_the_compiled_one(rules):
    """Its derivative is taken in torch, sweep by sweep; Newton's correction needs its slope too."""

    class Own(Squared):
        """Not compiled, because it is another class."""

    known, own = (
        NetworkFlow(problem, build_ensemble(problem, 1, 0))
        for problem in (
            flowfa.Problem(DATA, (8,), 0.1, rules, loss, initial="xavier")
            for loss in ("squared", Own())
        )
    )
    (one, saved), (other, saved_other) = (
        # Later on decisions that rounding can change make a difference of the tolerance's size.
        integrate(flow, end=2.0, saves=7, rtol=1e-5)
        for flow in (known, own)
    )
    np.testing.assert_allclose(saved_other, saved, atol=1e-9)
    for name in ("steps", "evaluations", "crossings", "slidings", "exits"):
        np.testing.assert_array_equal(one.counters[name], other.counters[name])


def test_more_save_times_in_a_step_than_there_is_room_for_are_all_saved():
    flow = network(rules=("fa",), starts=1)
    _, few = integrate(flow, end=1.0, saves=3, rtol=1e-3)
    _, many = integrate(flow, end=1.0, saves=601, rtol=1e-3)
    assert bool(many.isfinite().all())
    np.testing.assert_allclose(many[:, [0, 300, 600]], few, rtol=1e-12, atol=1e-14)


def test_error_estimate_bounds_the_error():
    flow = network("logistic")
    reference, _ = integrate(flow, rtol=1e-9)
    run, _ = integrate(flow, rtol=1e-4)
    error = (run.state - reference.state).abs().amax(1).numpy()
    views = flow.layout.views(flow.initial)
    z = (views["W1"] @ flow.field.inputs.T).abs().amax((1, 2))
    scale = torch.maximum(z, views["W2"].abs().amax((1, 2))).numpy()
    assert (error < run.counters["error_estimate"] * scale).all()


@pytest.mark.parametrize("bias", [False, True])
def test_out_weights_without_feedback_are_as_accurate_as_asked(bias):
    """adafa from zero out-weights has no feedback: the out-weights alone move, a regression."""
    random = np.random.default_rng(0)
    inputs, targets = 30.0 * random.standard_normal((6, 4)), np.array([1.0, -1, 1, 1, -1, 1])
    start = {"W1": random.standard_normal((1, 5, 4)), "W2": np.zeros((1, 1, 5))}
    if bias:
        start["c2"] = np.zeros((1, 1))
    problem = flowfa.Problem(
        Dataset(inputs, targets),
        rule="adafa",
        loss="logistic",
        leak=0.1,
        initial=given_start(start),
    )
    run = flowfa.simulate(problem, 1, t_end=20.0, solver="hybrid", rtol=1e-7)
    z = inputs @ start["W1"][0].T
    hidden = np.hstack([np.where(z > 0.0, z, 0.1 * z), np.full((6, 1), float(bias))])

    def velocity(_: float, v: np.ndarray) -> np.ndarray:
        return hidden.T @ (targets / (1.0 + np.exp(targets * (hidden @ v)))) / len(targets)

    oracle = solve_ivp(velocity, (0.0, 20.0), np.zeros(6), method="Radau", rtol=1e-11, atol=1e-13)
    weights = run.tree.children["weights"].to_dataset()
    found = np.append(weights["W2"].values[0, -1, 0], weights["c2"].values[0, -1] if bias else 0.0)
    assert np.abs(found - oracle.y[:, -1]).max() < 1e-7 * np.abs(start["W1"]).max()


def test_in_weights_of_short_samples_are_as_accurate_as_asked():
    """Preactivations of such samples are far below the out-weights, and their error with them."""
    data = Dataset(1e-3 * np.random.default_rng(1).standard_normal((1, 7)), np.array([1.0]))
    problem = flowfa.Problem(data, (8,), rule="gd", loss="exponential", leak=0.1)
    found = []
    for rtol in (1e-6, 1e-10):
        run = flowfa.simulate(problem, 1, t_end=500.0, solver="hybrid", rtol=rtol)
        found.append(run.tree.children["weights"].to_dataset()["W1"].values[0, -1])
    assert np.abs(found[0] - found[1]).max() < 1e-6 * np.abs(found[1]).max()


def test_a_coarser_run_tells_the_error_of_gd_on_a_gentle_problem():
    """Both must not begin their steps with the same wrong out-weights: they would agree on them."""
    inputs = np.array([[-0.00127614], [0.0222711], [-0.868215]])
    targets = np.array([-1.0, 1.0, 1.0])
    start = {
        "W1": np.array([[[-0.2287671], [0.1641027]]]),
        "W2": np.array([[[0.7512731, 0.5302281]]]),
    }
    initial, leak, end = given_start(start), 0.5, 2.7e-3
    problem = flowfa.Problem(
        Dataset(inputs, targets), rule="gd", loss="logistic", leak=leak, initial=initial
    )
    coarser, finer = (
        flowfa.simulate(problem, 1, t_end=end, solver="hybrid", rtol=rtol)
        .tree.children["weights"]
        .to_dataset()["W2"]
        .values[0, -1, 0]
        for rtol in (1e-7, 1e-8)
    )

    def velocity(_: float, state: np.ndarray) -> np.ndarray:
        z, v = inputs * state[:2], state[2:]
        slope = np.where(z > 0.0, 1.0, leak)
        pull = targets / (1.0 + np.exp(targets * ((slope * z) @ v))) / len(targets)
        return np.append((pull[:, None] * slope * inputs).sum(0) * v, pull @ (slope * z))

    both = np.append(start["W1"], start["W2"])
    oracle = solve_ivp(velocity, (0.0, end), both, method="DOP853", rtol=1e-13, atol=1e-14)
    error = np.abs(finer - oracle.y[2:, -1]).max()
    assert error <= np.abs(finer - coarser).max() + 1e-13


@pytest.mark.parametrize(
    ("loss", "bias"),
    [("exponential", "all"), pytest.param("cross-entropy", "none", marks=pytest.mark.slow)],
)
def test_recorded_loss_rate_is_the_slope_of_the_loss_while_neurons_slide(loss, bias):
    """z of a sliding neuron is rounding: its sign must not choose the slope of the gradient."""
    flow = network(loss, bias=bias, seed=2)
    _, states = integrate(flow, end=2.0, saves=2001, rtol=1e-8)
    worst = 0.0
    for row in range(len(flow)):
        seen = flow.observe(states[row], torch.full((len(states[row]),), row))
        between = (seen["loss"][2:] - seen["loss"][:-2]) / 2e-3
        off = ((seen["loss_rate"][1:-1] - between) / between).abs()
        # Central differences are wrong only across an event, which few of the times are next to.
        worst = max(worst, float(off.quantile(0.9)))
    assert worst < 1e-4


def test_recorded_loss_rate_knows_neurons_that_slide_at_zero():
    """On data of one dimension all preactivations vanish with w, which is rounding from then on."""
    random = np.random.default_rng(6)
    flow = network(X=2.0 * random.standard_normal((6, 1)), rules=("fa", "gd"), starts=3)
    run, states = integrate(flow, end=2.0, saves=2001, rtol=1e-8)
    weight = flow.layout.views(run.state)["W1"].abs().amax(2)
    assert int(((weight < 1e-12) & (weight.amax(1, keepdim=True) > 0.1)).any(1).sum()) >= 3
    for row in range(len(flow)):
        seen = flow.observe(states[row], torch.full((len(states[row]),), row))
        between = (seen["loss"][2:] - seen["loss"][:-2]) / 2e-3
        off = (seen["loss_rate"][1:-1] - between).abs() / between.abs().amax()
        # Differences are wrong where the loss falls fastest, at first, and across events.
        assert float(off.quantile(0.9)) < 1e-5


def test_slopes_of_sliding_neurons_have_derivatives_along_the_motion():
    """Autograd agrees with central differences, with one sample held and with several."""
    flow = network("exponential", seed=2)
    _, states = integrate(flow, end=4.0, saves=4001, rtol=1e-8)
    off = {True: [], False: []}
    for row in range(0, len(flow), 3):
        field = flow.field.select(torch.full((len(states[row]) - 2,), row))

        def slopes(state, field=field):
            forward = field.forward(state)
            return with_sliding_slopes(field, forward, field.output_signal(forward)).slopes[0]

        velocity = (states[row, 2:] - states[row, :-2]) / 2e-3
        value, rate = torch.autograd.functional.jvp(slopes, states[row, 1:-1], velocity)
        between = (value[2:] - value[:-2]) / 2e-3
        inside = ((value > field.leak) & (value < 1.0))[1:-1]
        error = (rate[1:-1] - between).abs() / (1.0 + between.abs())
        for several in off:
            chosen = inside & ((inside.sum(2, keepdim=True) > 1) == several)
            off[several].append(error[chosen])
    for errors in map(torch.cat, off.values()):
        assert len(errors) > 100
        # Differences are wrong next to an event, which few of the times are.
        assert float(errors.quantile(0.8)) < 1e-3

"""The hybrid solver where events coincide, sets degenerate, or the flow is not unique."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

import flowfa
from flowfa.datasets.dataset import Dataset
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import build_ensemble
from flowfa.problems.starts import given_start
from flowfa.solvers.stepping.status import Status
from tests.support.nightly import some_now
from tests.support.sliding import agrees_with_euler, integrate, network


def from_start(X, y, W1, W2, B2=None, leak=0.1, rule="fa"):
    """A flow of the exponential loss from given weights."""
    data = Dataset(np.array(X, dtype=float), np.array(y, dtype=float))
    start = {"W1": np.array(W1, dtype=float), "W2": np.array(W2, dtype=float)}
    if B2 is not None:
        start["B2"] = np.array(B2, dtype=float)
    problem = flowfa.Problem(data, (len(W1),), leak, rule, initial=given_start(start))
    return NetworkFlow(problem, build_ensemble(problem, 1, 0))


@pytest.mark.parametrize(
    ("dim", "samples", "leak"),
    some_now([(1, 6, 0.0), (2, 8, 0.0), (2, 8, 0.1), (3, 12, 0.0)], [(1, 6, 0.0), (2, 8, 0.1)]),
)
def test_more_samples_than_dimensions_slide_dependently(dim, samples, leak):
    """With more samples than dimensions sliding sets are dependent, or pin w at zero."""
    X = 2.0 * np.random.default_rng(samples).standard_normal((samples, dim)) / dim**0.5
    flow = network(X=X, rules=("fa", "gd"), leak=leak)
    run, _ = integrate(flow, end=4.0, rtol=1e-6)
    assert run.status == [Status.OK] * len(flow)
    agrees_with_euler(flow, run, 4.0)


def test_events_at_one_instant_keep_a_symmetric_flow_symmetric():
    """Exchanging two coordinates exchanges two samples: their events come in pairs."""
    random = np.random.default_rng(0)
    X = np.array([[1.0, 0.2, 0.5], [0.2, 1.0, 0.5], [-0.3, -0.3, 1.0], [-0.8, -0.8, 0.1]])
    swap = [1, 0, 2]
    W1 = random.standard_normal((12, 3))
    W1[:, 1] = W1[:, 0]
    flow = from_start(X, [1, 1, -1, -1], W1, random.standard_normal((1, 12)), W1[:, 2:])
    run, states = integrate(flow, end=10.0, saves=41, rtol=1e-6)
    W = flow.layout.views(states[0])["W1"]
    assert run.counters["slidings"] + run.counters["crossings"] >= 2
    assert float((W - W[:, :, swap]).abs().max()) < 1e-9
    agrees_with_euler(flow, run, 10.0)


def test_a_start_exactly_on_an_attracting_surface_slides_at_once():
    X = [[1.0, 0.0], [0.6, 0.8]]
    flow = from_start(X, [-1, 1], [[0.0, 1.0]], [[0.1]], [[1.0]])
    run, states = integrate(flow, end=0.5, saves=11, rtol=1e-6)
    assert run.counters["slidings"] == 1 and run.counters["crossings"] == 0
    W = flow.layout.views(states[0])["W1"][:, 0]
    assert float(W[:, 0].abs().max()) < 1e-14
    assert float(W[-1, 1]) > 1.05
    agrees_with_euler(flow, run, 0.5)


def test_a_network_of_zeros_ends_at_once():
    """It has no size that a tolerance could be a share of; a warning would be an error here."""
    flow = from_start([[1.0, 0.0]], [1], [[0.0, 0.0]], [[0.0]], [[1.0]])
    run, _ = integrate(flow, end=2.0, rtol=1e-6)
    assert run.status == [Status.STEP_UNDERFLOW]


def test_a_start_exactly_on_a_repelling_surface_takes_the_leak_and_is_counted():
    """Sample 1 pushes away from its surface on either side; torch's slope at 0 is the leak."""
    X = [[1.0, 0.0], [-0.3, 0.9539392014169457]]
    flow = from_start(X, [1, 1], [[0.0, 1.0]], [[0.1]], [[1.0]])
    run, _ = integrate(flow, end=0.2, rtol=1e-6)
    assert run.counters["repelling"] == 1
    assert float(flow.layout.views(run.state)["W1"][0, 0, 0]) < -1e-3
    euler, _ = integrate(flow, "euler", end=0.2, step=1e-4)
    assert float((run.state - euler.state).abs().max()) < 1e-4


def test_a_sliding_surface_that_turns_repelling_is_left_and_counted():
    """Under gd every drive of a neuron is proportional to v: where v passes 0, all turn."""
    flow = network(rules=("gd",))
    runs = [integrate(flow, rtol=rtol)[0] for rtol in (1e-4, 1e-6, 1e-8)]
    assert [run.counters["repelling"][0] for run in runs] == [1, 1, 1]
    assert float((runs[0].state - runs[2].state).abs().max()) < 1e-3
    assert float((runs[1].state - runs[2].state).abs().max()) < 1e-5


def test_residuals_pass_zero_while_neurons_slide():
    flow = network("squared", rules=("fa", "gd"), seed=3)
    run, states = integrate(flow, rtol=1e-6, saves=201)
    passed = 0
    for row in range(len(flow)):
        weights = flow.layout.views(states[row])
        z = weights["W1"] @ flow.field.inputs.T
        f = weights["W2"] @ torch.nn.functional.leaky_relu(z, 0.1)
        r = f - flow.field.targets
        slides = (z[1:].abs() < 1e-12) & (z[:-1].abs() < 1e-12)
        passed += int(((r[1:] * r[:-1] < 0.0).any(1, keepdim=True) & slides).sum())
    assert passed >= 5
    agrees_with_euler(flow, run, 8.0)


def test_dead_relu_units_never_move_again():
    X = np.abs(np.random.default_rng(1).standard_normal((8, 3)))
    flow = network(X=X, rules=("fa", "gd"), leak=0.0, starts=4)
    run, states = integrate(flow, rtol=1e-6, saves=81)
    dead = 0
    for row in range(len(flow)):
        W = flow.layout.views(states[row])["W1"]
        off = (W @ flow.field.inputs.T <= 0.0).all(2)
        for neuron in range(W.shape[1]):
            times = off[:, neuron].nonzero().flatten()
            if len(times):
                dead += 1
                after = W[int(times[0]) :, neuron]
                assert float((after - after[0]).abs().max()) == 0.0
    assert dead >= 5
    agrees_with_euler(flow, run, 8.0)


def test_without_kinks_it_is_the_linear_network():
    """leak = 1 has no events; scipy integrates the smooth flow."""
    flow = network(rules=("fa",), leak=1.0, starts=1)
    run, _ = integrate(flow, rtol=1e-8)
    assert run.counters["crossings"] == 0 and run.counters["slidings"] == 0
    state = flow.initial[0].numpy()

    def velocity(time, x):
        return flow.field(torch.tensor([time]), torch.from_numpy(x)[None])[0].numpy()

    found = solve_ivp(velocity, (0.0, 8.0), state, "DOP853", rtol=1e-12, atol=1e-13)
    assert np.abs(found.y[:, -1] - run.state[0].numpy()).max() < 1e-7


def test_trajectories_that_end_early_leave_room_for_the_surfaces_of_others():
    """Sets of their own have as many surfaces as lines: that of the first to end has the most."""
    X = np.ones((3, 3, 2)) * np.array([1.0, 2.0, 4.0])[:, None]
    X[0] = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    y = np.array([[-1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])
    W1 = np.random.default_rng(0).standard_normal((3, 4, 2))
    W2, B2 = np.ones((3, 1, 4)), np.ones((3, 4, 1))
    # It hardly moves, so that it takes the fewest steps.
    X[0] *= 1e-3
    start = given_start({"W1": W1, "W2": W2, "B2": B2})
    problem = flowfa.Problem(Dataset(X, y), leak=0.1, rule="fa", initial=start)
    flow = NetworkFlow(problem, build_ensemble(problem, 3, 0))
    run, _ = integrate(flow, end=1.0, saves=5, rtol=1e-6)
    assert run.status == [Status.OK] * 3
    assert run.counters["evaluations"][0] < run.counters["evaluations"][1:].min()


def test_two_tolerances_do_not_agree_on_a_wrong_first_step():
    """The first guess is the same at every tolerance: taken for the solution, it hid its error."""
    flow = from_start([[1e-3, 2e-4]], [1], [[1.0, 1.0]], [[1.0]], [[1.0]])
    first, second = (integrate(flow, end=1.0, saves=17, rtol=r)[1][0] for r in (1e-5, 1e-6))

    def velocity(time, x):
        return flow.field(torch.tensor([time]), torch.from_numpy(x)[None])[0].numpy()

    x, times = flow.initial[0].numpy(), np.linspace(0.0, 1.0, 17)
    true = solve_ivp(velocity, (0.0, 1.0), x, "DOP853", times, rtol=1e-13, atol=1e-18).y.T
    error = np.abs(second.numpy() - true).max()
    assert error < 2.0 * float((second - first).abs().max()) + 1e-14


def test_slopes_of_held_samples_leave_out_those_that_are_zero():
    """A sample that is zero has z = 0 for ever, whatever the weights, and no slope to speak of."""
    X = [[0.0, 0.0], [0.0, 0.0], [1.0, 0.3]]
    flow = from_start(X, [-1, -1, 1], [[0.5, 0.1]], [[0.3]], [[1.0]])
    observed = flow.observe(flow.initial, torch.tensor([0]))
    names = ("loss_rate", "gradient_norm", "update_norm", "cosine")
    assert all(bool(observed[name].isfinite().all()) for name in names)


@pytest.mark.parametrize("apart", [3e-13, 1e-12, 1e-11, 1e-10])
def test_nearly_equal_samples_have_the_flow_of_equal_ones(apart):
    """Two samples slide together though no arithmetic resolves what each of them does."""
    random = np.random.default_rng(2)
    X, y = random.standard_normal((10, 4)), random.choice((-1.0, 1.0), 10)
    beside = random.standard_normal((5, 4))
    beside /= np.linalg.norm(beside, axis=1)[:, None]

    def integrated(distance):
        twins = np.concatenate([X, X[:5] + distance * beside])
        data = Dataset(twins, np.concatenate([y, y[:5]]))
        problem = flowfa.Problem(data, (10,), 0.1, ("fa", "signfa"), "logistic", initial="xavier")
        flow = NetworkFlow(problem, build_ensemble(problem, 4, 0))
        return integrate(flow, end=50.0, rtol=1e-4)[0]

    run, equal = integrated(apart), integrated(0.0)
    assert run.status == [Status.OK] * 8
    assert run.counters["slidings"].sum() > equal.counters["slidings"].sum()
    off = (run.state - equal.state).abs().amax(1) / equal.state.abs().amax(1)
    unique = torch.from_numpy((run.counters["repelling"] == 0) & (equal.counters["repelling"] == 0))
    assert unique.sum() >= 4
    assert float(off[unique].max()) < 1e-3

"""The event solver with several hidden layers, against Euler, the hybrid solver and itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import flowfa
from flowfa.errors import InputError
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import build_ensemble
from flowfa.problems.losses.exponential import Exponential
from flowfa.problems.starts import given_start
from flowfa.solvers.choice import MOST_PAIRS, choose
from flowfa.solvers.deep_event.solver import DeepEventSolver
from flowfa.solvers.registry import make_solver
from flowfa.solvers.stepping.controller import Tolerance
from flowfa.solvers.stepping.integration import Integration, StepByStep
from flowfa.solvers.stepping.solve import solve
from flowfa.solvers.stepping.status import Status
from tests.support.nightly import some_now
from tests.support.sliding import agrees_with_euler, integrate, network

STEADY = ("gd", "fa", "adafa", "dfa", "frsf")
"""Rules under which few trajectories are sensitive in nets as narrow as these."""


def distance(first, second):
    """Return the largest difference of each trajectory's states relative to its largest weight."""
    return ((first - second).abs().amax(1) / second.abs().amax(1)).max().item()


@pytest.mark.parametrize(
    ("widths", "loss", "bias", "outputs", "leak"),
    some_now(
        [
            ((8, 6), "exponential", "none", 1, 0.1),
            ((5, 5, 5), "cross-entropy", "all", 3, 0.1),
            ((8, 6), "squared", "none", 2, 0.0),
            ((4, 4, 4, 4), "logistic", "hidden", 1, 0.2),
        ],
        [((8, 6), "exponential", "none", 1, 0.1), ((5, 5, 5), "cross-entropy", "all", 3, 0.1)],
    ),
)
def test_agrees_with_euler_as_its_step_shrinks(widths, loss, bias, outputs, leak):
    flow = network(loss, STEADY, bias, leak, starts=1, outputs=outputs, widths=widths)
    run, _ = integrate(flow, "event", end=1.0, rtol=1e-8)
    assert run.status == [Status.OK] * len(flow)
    assert run.counters["slidings"].sum() > 0
    agrees_with_euler(flow, run, end=1.0, step=5e-3)


@pytest.mark.parametrize("loss", ["exponential", "cross-entropy"])
def test_one_hidden_layer_gives_the_states_of_the_hybrid_solver(loss):
    """They share no line of their dynamics, and count the same events, flips of signs included."""
    flow = network(loss, starts=1, bias="all" if loss == "cross-entropy" else "none", outputs=3)
    hybrid, _ = integrate(flow, rtol=1e-8)
    deep = Integration.begin(flow.initial, torch.tensor([0.0, 8.0], dtype=torch.float64))
    solve(flow.field, deep, DeepEventSolver(Tolerance(1e-9, 1e-11), 10_000), lambda *_: None)
    assert deep.status == [Status.OK] * len(flow)
    assert distance(deep.state, hybrid.state) < 1e-6
    for name in ("crossings", "slidings", "exits", "flips", "repelling"):
        assert deep.counters[name].tolist() == hybrid.counters[name].tolist()


def test_error_is_below_the_tolerance():
    flow = network(rules=STEADY, starts=2, widths=(8, 6))
    exact, _ = integrate(flow, "event", rtol=1e-10)
    for rtol in (1e-3, 1e-5, 1e-7):
        run, _ = integrate(flow, "event", rtol=rtol)
        assert distance(run.state, exact.state) < rtol
        assert (run.counters["error_estimate"] > 0.0).all()


def test_opposite_and_repeated_samples_are_one_surface_of_the_first_layer():
    X = np.random.default_rng(2).standard_normal((8, 4))
    X[5], X[6], X[7] = -2.0 * X[0], 1.5 * X[1], X[2]
    flow = network(rules=("gd", "fa", "dfa"), X=X, starts=1, widths=(6, 5))
    run, _ = integrate(flow, "event", end=2.0, rtol=1e-8)
    assert run.status == [Status.OK] * 3
    agrees_with_euler(flow, run, end=2.0)


def test_trajectories_with_samples_of_their_own_may_have_fewer_surfaces():
    """Equal and opposite samples merge, trajectory by trajectory; each is as if it were alone."""
    random = np.random.default_rng(4)
    X, y = random.standard_normal((3, 5, 2)), np.tile([1.0, -1.0, 1.0, -1.0, 1.0], (3, 1))
    X[1, 4], X[2, 3], X[2, 4] = X[1, 0], -X[2, 0], 2.0 * X[2, 1]
    weights = [random.standard_normal((3, *shape)) for shape in ((4, 2), (3, 4), (1, 3))]

    def after(rows):
        start = given_start({f"W{i}": W[rows] for i, W in enumerate(weights, start=1)})
        problem = flowfa.Problem(flowfa.Dataset(X[rows], y[rows]), rule="gd", initial=start)
        flow = NetworkFlow(problem, build_ensemble(problem, len(rows), 0))
        run, _ = integrate(flow, "event", end=2.0, rtol=1e-7)
        assert run.status == [Status.OK] * len(rows)
        return run.state

    together = after([0, 1, 2])
    for row in range(3):
        assert torch.equal(together[row], after([row])[0])


def test_law_holds_to_the_tolerance_in_every_hidden_layer():
    flow = network(rules=("gd", "fa", "adafa", "frsf"), starts=2, widths=(6, 5, 4))
    rows = torch.arange(len(flow))
    before = flow.observe(flow.initial, rows)["conserved"]
    for rtol in (1e-5, 1e-9):
        run, _ = integrate(flow, "event", rtol=rtol)
        drift = (flow.observe(run.state, rows)["conserved"] - before).abs()
        assert float(drift.max()) < rtol


def test_copies_of_a_neuron_stay_copies():
    """Their events fall together, which must be no storm (duplication is a symmetry)."""
    flow = network(rules=("gd",), starts=1, widths=(6, 4))
    state = flow.initial.clone()
    views = flow.layout.views(state)
    views["W1"][:, 1], views["W2"][:, :, 1] = views["W1"][:, 0], views["W2"][:, :, 0]
    run = Integration.begin(state, torch.tensor([0.0, 8.0], dtype=torch.float64))
    solve(flow.field, run, make_solver("event", rtol=1e-8), lambda *_: None)
    after = flow.layout.views(run.state)
    assert run.status == [Status.OK]
    assert torch.allclose(after["W1"][:, 0], after["W1"][:, 1], rtol=0.0, atol=1e-9)
    assert torch.allclose(after["W2"][:, :, 0], after["W2"][:, :, 1], rtol=0.0, atol=1e-9)


def test_stored_and_restored_run_continues_bit_for_bit_and_threads_change_no_bit():
    flow = network(rules=("gd", "signfa"), starts=2, widths=(8, 6))
    whole, _ = integrate(flow, "event", end=2.0, rtol=1e-6)

    def stop(run):
        if run.counters["steps"].max() >= 40:
            raise KeyboardInterrupt

    run = Integration.begin(flow.initial, torch.tensor([0.0, 2.0], dtype=torch.float64))
    with pytest.raises(KeyboardInterrupt):
        solve(flow.field, run, make_solver("event", rtol=1e-6), lambda *_: None, stop)
    restored = Integration.from_arrays(run.to_arrays(), torch.device("cpu"))
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        solve(flow.field, restored, make_solver("event", rtol=1e-6), lambda *_: None)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(restored.state, whole.state)


def test_recorded_rate_is_that_of_the_loss_while_deep_neurons_slide():
    """A quotient of differences knows nothing of slopes; the sign of rounding is another rate."""
    random = np.random.default_rng(3)
    data = flowfa.Dataset(random.standard_normal((6, 4)), random.choice((-1.0, 1.0), 6), "small")
    problem = flowfa.Problem(data, (8, 6), rule=("fa", "gd", "dfa"), bias="all")
    times = [time + step for time in (1.0, 2.0, 3.0) for step in (-1e-4, 0.0, 1e-4)]
    run = flowfa.simulate(problem, 2, t_end=times[-1], save_at=times, rtol=1e-8, solver="event")
    sliding = run.tree["solver"]["slidings"] - run.tree["solver"]["exits"]
    assert (sliding > 0).all()
    loss, rate = (run.tree["trajectory"][name].values[:, 1:] for name in ("loss", "loss_rate"))
    measured = (loss[:, 2::3] - loss[:, ::3]) / 2e-4
    assert np.abs(measured / rate[:, 1::3] - 1.0).max() < 1e-6


def test_networks_beside_one_that_slides_are_measured_as_alone():
    flow = network(rules=("fa",), starts=2, widths=(8, 6))
    run, _ = integrate(flow, "event", rtol=1e-6)
    states, rows = torch.stack([flow.initial[0], run.state[1]]), torch.arange(2)
    assert (run.counters["slidings"] > run.counters["exits"])[1]
    together = flow.observe(states, rows)
    alone = flow.observe(states[:1], rows[:1])
    for name in ("cosine", "gradient_norm", "loss_rate"):
        assert torch.allclose(together[name][0], alone[name][0], rtol=1e-14, atol=0.0)


def test_auto_takes_it_for_small_deep_networks_and_says_why():
    def choice(width, samples=8, **settings):
        data = flowfa.datasets.gaussian(samples=samples, dim=4, seed=0)
        return choose("auto", flowfa.Problem(data, (width, width), **settings))

    assert choice(8).name == "event" and "followed exactly" in choice(8).reason
    large = choice(1 + MOST_PAIRS // 16)
    assert large.name == "bosh3" and 'solver="event"' in large.reason
    assert choice(8, leak=1.0).name == "dop853"


def test_another_loss_is_refused_with_what_to_take():
    class Steeper(Exponential):
        def derivative(self, output, target):
            return 2.0 * super().derivative(output, target)

    data = flowfa.datasets.gaussian(samples=6, dim=4, seed=0)
    problem = flowfa.Problem(data, (5, 4), loss=Steeper())
    with pytest.raises(InputError, match="knows in deeper networks the losses"):
        flowfa.simulate(problem, 1, t_end=1.0, solver="event")
    assert choose("auto", problem).name == "bosh3"


def test_a_run_that_stops_takes_one_step_a_call():
    """Else a quantity that falls and rises again in one call would be missed."""
    flow = network(rules=("fa",), widths=(5, 4), starts=1)
    solver = make_solver("event", rtol=1e-4)
    assert isinstance(solver, StepByStep)
    run = Integration.begin(flow.initial, torch.tensor([0.0, 1.0], dtype=torch.float64))
    taken = []
    solve(flow.field, run, solver.step_by_step(), _nothing, lambda run: taken.append(_steps(run)))
    assert np.diff([0, *taken]).max() == 1 and len(taken) > 5


def _steps(run):
    return int(run.counters["steps"][0])


def _nothing(rows, saves, states):
    """Save nothing."""

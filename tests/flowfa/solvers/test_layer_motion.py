"""Rates and decay of layers, and weights of samples, in every solver, held to other arithmetic."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import flowfa
from flowfa.problems.starts import given_start
from tests.support.moved_runs import (
    RATES,
    WEIGHTS,
    difference,
    kinked_data,
    last_weights,
    simulated,
    start,
)

RULES = ("gd", "fa", "signfa")


def test_a_linear_network_follows_the_equations_as_scipy_integrates_them():
    data, given = kinked_data(), start((5,), bias=True)
    rates, decay, share = (0.5, 2.0), (0.3, 0.1), WEIGHTS / WEIGHTS.sum()
    problem = flowfa.Problem(
        data, leak=1.0, rule="fa", initial=given, layer_rates=rates, weight_decay=decay
    )
    run = simulated(problem, "dop853")
    B = run.tree["weights"]["B2"].values[0]

    def velocity(_, flat):
        W1, c1, W2, c2 = np.split(flat, np.cumsum([15, 5, 5]))
        W1, W2 = W1.reshape(5, 3), W2.reshape(1, 5)
        h = W1 @ data.X.T + c1[:, None]
        f = W2 @ h + c2[:, None]
        delta = share * -data.y * np.exp(-data.y * f)
        back = B @ delta
        first = -rates[0] * np.concatenate(
            [(back @ data.X + decay[0] * W1).ravel(), back.sum(1) + decay[0] * c1]
        )
        second = -rates[1] * np.concatenate(
            [(delta @ h.T + decay[1] * W2).ravel(), delta.sum(1) + decay[1] * c2]
        )
        return np.concatenate([first, second])

    known = {name: array[0] for name, array in last_weights(run, 0).items()}
    begin = np.concatenate([known[name].ravel() for name in ("W1", "c1", "W2", "c2")])
    found = solve_ivp(velocity, (0.0, 2.0), begin, method="DOP853", rtol=1e-12, atol=1e-13)
    end = {name: array[0] for name, array in last_weights(run).items()}
    got = np.concatenate([end[name].ravel() for name in ("W1", "c1", "W2", "c2")])
    assert np.allclose(got, found.y[:, -1], rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("solver", ("hybrid", "event", "bosh3"))
@pytest.mark.parametrize("rule", RULES)
def test_rates_are_a_choice_of_units(solver, rule):
    """C-8: in the units W_l / sqrt(eta_l) the flow is one without rates, on scaled inputs."""
    (a, b), given = RATES, start((5,))
    rated = flowfa.Problem(kinked_data(), leak=0.3, rule=rule, initial=given, layer_rates=RATES)
    run = simulated(rated, solver)
    first = {name: array for name, array in last_weights(run, 0).items()}
    units = {"W1": a**-0.5, "W2": b**-0.5}
    scaled = {name: units[name] * first[name] for name in first}
    if rule == "fa":
        scaled["B2"] = b**-0.5 * run.tree["weights"]["B2"].values
    data = kinked_data()
    other = flowfa.Dataset((a * b) ** 0.5 * data.X, data.y, sample_weights=WEIGHTS)
    own = flowfa.problems.rules.SignFeedbackAlignment(b**-0.5) if rule == "signfa" else rule
    plain = flowfa.Problem(other, leak=0.3, rule=own, initial=given_start(scaled))
    expected = last_weights(simulated(plain, solver))
    found = last_weights(run)
    tolerance = 3e-4 if solver == "bosh3" else 3e-6
    for name in ("W1", "W2"):
        assert np.allclose(units[name] * found[name], expected[name], atol=tolerance), name


@pytest.mark.parametrize("decay", (0.0, (0.3, 0.1), (0.0, 0.6)))
@pytest.mark.parametrize("bias", (False, True))
def test_the_hybrid_and_the_event_solver_agree_through_sliding_modes(bias, decay):
    problem = flowfa.Problem(
        kinked_data(),
        leak=0.2,
        rule=RULES,
        initial=start((6,), bias=bias),
        layer_rates=RATES,
        weight_decay=decay,
    )
    hybrid, event = simulated(problem, "hybrid"), simulated(problem, "event")
    assert not bias or event.tree["solver"]["slidings"].values.sum() > 0
    assert difference(hybrid, event) < 2e-6


def test_the_hybrid_solver_keeps_its_tolerance_until_decay_and_gradient_balance():
    problem = flowfa.Problem(
        kinked_data(), leak=0.2, rule=RULES, initial=start((6,), bias=True), weight_decay=(0.2, 0.5)
    )
    known = simulated(problem, "event", t_end=25.0, rtol=1e-9)
    names = list(last_weights(known))
    largest = max(np.abs(known.tree["weights"][name].values).max() for name in names)
    for rtol in (1e-2, 1e-4, 1e-6):
        found = flowfa.simulate(problem, t_end=25.0, solver="hybrid", save=5, rtol=rtol)
        assert found.statuses == ["ok"] * 3
        for name in names:
            weights, wanted = (run.tree["weights"][name].values for run in (found, known))
            assert np.abs(weights - wanted).max() <= rtol * largest, name


def test_decay_carries_neurons_of_leak_0_through_zero_in_the_hybrid_solver_as_small_steps_do():
    """They slide on all but one of the dimensions of the data, and pass w = 0 along a line."""
    problem = flowfa.Problem(
        flowfa.datasets.gaussian(samples=8, dim=3, seed=0),
        (6,),
        leak=0.0,
        loss="logistic",
        rule="fa",
        initial="xavier",
        weight_decay=(0.1, 0.2),
    )
    hybrid, event, steps = (
        last_weights(run)
        for run in (
            flowfa.simulate(problem, 8, t_end=30.0, solver="hybrid", rtol=1e-6, save=2),
            flowfa.simulate(problem, 8, t_end=30.0, solver="event", rtol=1e-7, save=2),
            flowfa.train(problem, 8, rate=0.01, t_end=30.0, save=2),
        )
    )
    for name in hybrid:
        assert np.abs(hybrid[name] - event[name]).max() < 1e-6, name
        assert np.abs(hybrid[name] - steps[name]).max() < 1e-3, name


@pytest.mark.parametrize("rtol", (1e-2, 1e-6))
def test_the_law_of_decay_holds_to_rounding_in_the_hybrid_solver(rtol):
    """C-13: where out-weights decay twice as fast, 1/2 |w|^2 - <v, B> falls as exp(-2 lambda t)."""
    decay, t_end = 0.15, 4.0
    problem = flowfa.Problem(
        kinked_data(),
        leak=0.2,
        rule=("fa", "signfa"),
        initial=start((6,)),
        weight_decay=(decay, 2.0 * decay),
    )
    run = flowfa.simulate(problem, t_end=t_end, solver="hybrid", save=3, rtol=rtol)
    first, last = last_weights(run, 0), last_weights(run)

    def law(weights):
        v = weights["W2"][:, 0]
        inner = 0.5 * (weights["W1"] ** 2).sum(axis=2)
        fixed = run.tree["weights"]["B2"].values[:, :, 0]
        return inner - np.stack([v[0] * fixed[0], np.abs(v[1])])

    expected = law(first) * np.exp(-2.0 * decay * t_end)
    assert np.abs(law(last) - expected).max() < 5e-13 * np.abs(law(first)).max()


def test_decay_in_the_event_solver_is_that_of_small_explicit_steps_through_sliding_modes():
    problem = flowfa.Problem(
        kinked_data(),
        leak=0.2,
        rule=RULES,
        initial=start((6,), bias=True),
        weight_decay=(0.3, 0.1),
        layer_rates=RATES,
    )
    event = simulated(problem, "event")
    assert event.tree["solver"]["slidings"].values.sum() > 0
    errors = [
        difference(flowfa.train(problem, rate=rate, t_end=2.0, save=2), event)
        for rate in (4e-3, 1e-3)
    ]
    assert errors[1] < 1e-3
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.3)


def test_decay_and_rates_in_deep_networks_are_those_of_a_runge_kutta_method():
    problem = flowfa.Problem(
        kinked_data(),
        leak=0.7,
        # Under gd neurons of this start slide, and a Runge-Kutta method chatters.
        rule=("fa", "signfa", "dfa"),
        initial=start((4, 3), bias=True),
        weight_decay=(0.3, 0.1, 0.2),
        layer_rates=(0.5, 2.0, 1.5),
    )
    event = simulated(problem, "event", t_end=1.0)
    runge_kutta = simulated(problem, "bosh3", t_end=1.0, rtol=1e-8)
    assert set(event.statuses) == set(runge_kutta.statuses) == {"ok"}
    assert event.tree["solver"]["crossings"].values.sum() > 0
    assert difference(event, runge_kutta, np.full(3, True)) < 1e-6


def test_decay_and_rates_in_deep_networks_are_those_of_small_steps_through_sliding_modes():
    problem = flowfa.Problem(
        kinked_data(),
        leak=0.2,
        rule=(*RULES, "dfa"),
        initial=start((4, 3), bias=True),
        weight_decay=(0.3, 0.1, 0.2),
        layer_rates=(0.5, 2.0, 1.5),
    )
    event = simulated(problem, "event")
    assert event.tree["solver"]["slidings"].values.sum() > 0
    errors = [
        difference(flowfa.train(problem, rate=rate, t_end=2.0, save=2), event)
        for rate in (4e-3, 1e-3)
    ]
    assert errors[1] < 2e-4 and errors[1] < 0.4 * errors[0]


@pytest.mark.parametrize("solver", ("hybrid", "event", "dopri5"))
@pytest.mark.parametrize("widths", ((5,), (4, 3)))
def test_a_weight_of_2_is_the_sample_twice_and_0_no_sample(solver, widths):
    if solver == "hybrid" and len(widths) > 1:
        pytest.skip("one hidden layer")
    data, given = kinked_data(), start(widths)
    weighted = flowfa.Dataset(data.X, data.y, sample_weights=[2, 1, 0, 1, 1])
    rows = [0, 0, 1, 3, 4]
    repeated = flowfa.Dataset(data.X[rows], data.y[rows])
    leak = 0.8 if solver == "dopri5" else 0.2
    found, expected = (
        simulated(flowfa.Problem(samples, leak=leak, rule=RULES, initial=given), solver)
        for samples in (weighted, repeated)
    )
    assert difference(found, expected) < 3e-6
    for name in ("loss", "accuracy", "gradient_norm"):
        got, wanted = (run.tree["trajectory"][name].values for run in (found, expected))
        assert np.allclose(got, wanted, rtol=1e-5, atol=1e-7, equal_nan=True), name


def test_opposite_samples_on_one_surface_keep_their_own_weights():
    data = kinked_data()
    X, y = np.concatenate([data.X, -2.0 * data.X[:2]]), np.concatenate([data.y, data.y[:2]])
    weights = np.array([1.0, 3.0, 0.5, 1.0, 1.0, 2.0, 0.0])
    problem = flowfa.Problem(
        flowfa.Dataset(X, y, sample_weights=weights),
        leak=0.2,
        rule=RULES,
        initial=start((5,)),
        layer_rates=RATES,
    )
    event, hybrid = simulated(problem, "event"), simulated(problem, "hybrid")
    assert difference(event, hybrid) < 2e-6
    errors = [
        difference(flowfa.train(problem, rate=rate, t_end=2.0, save=2), event)
        for rate in (4e-3, 1e-3)
    ]
    assert errors[1] < 0.4 * errors[0]


def test_ntk_and_mean_field_are_the_flows_of_networks_with_factors_of_their_own():
    """Against dV/dt = -r dLoss/dV of f = s_2 V_2 sigma(s_1 V_1 x), stepped by hand."""
    data, width = kinked_data(), 6
    share = WEIGHTS / WEIGHTS.sum()
    for name, factors, clock in (
        ("ntk", (3**-0.5, width**-0.5), 1.0),
        ("mean-field", (1.0, 1.0 / width), float(width)),
    ):
        problem = flowfa.Problem(data, width, leak=0.2, rule="gd", parametrisation=name)
        run = flowfa.train(problem, 1, rate=0.05, steps=20)
        first = last_weights(run, 0)
        V = [first["W1"][0] / factors[0], first["W2"][0] / factors[1]]
        assert np.std(V[0]) == pytest.approx(1.0, rel=0.5)
        for _ in range(20):
            z = factors[0] * V[0] @ data.X.T
            slope = np.where(z > 0.0, 1.0, 0.2)
            f = factors[1] * V[1] @ (slope * z)
            delta = share * -data.y * np.exp(-data.y * f)
            back = factors[1] * V[1].T @ delta * slope
            steps = factors[0] * back @ data.X, factors[1] * delta @ (slope * z).T
            V = [v - 0.05 * clock * step for v, step in zip(V, steps, strict=True)]
        last = last_weights(run)
        for v, factor, weight in zip(V, factors, ("W1", "W2"), strict=True):
            assert np.allclose(factor * v, last[weight][0], rtol=1e-10, atol=1e-12), name


def test_the_automatic_choice_follows_kinks_exactly_with_decay_and_rates_too():
    data = kinked_data()
    for decay, rate in itertools.product((0.0, 0.1), (1.0, 0.5)):
        problem = flowfa.Problem(data, 4, weight_decay=decay, layer_rates=(1.0, rate))
        run = flowfa.simulate(problem, 1, t_end=0.5)
        assert run.statuses == ["ok"]
        assert '"solver": "hybrid"' in run.tree.attrs["config"]

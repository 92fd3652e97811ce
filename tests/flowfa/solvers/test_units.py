"""The hybrid solver on data in unlike units: of all data, of single features, of samples.

A kink is where it is whatever the length of its samples, so that nothing may follow from the
longest of them.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import flowfa
from flowfa.datasets.dataset import Dataset
from flowfa.flow.sliding import with_sliding_slopes
from flowfa.flow.surfaces import find_surfaces
from flowfa.solvers.stepping.status import Status
from tests.support.sliding import RULES, integrate
from tests.support.units import DIM, SAMPLES, distance, flow_in_units, short_sample, units

RTOL = 1e-5
EXAMPLES = settings(max_examples=max(4, settings().max_examples // 4))

rules = st.sampled_from(RULES)
losses = st.sampled_from(["exponential", "logistic", "cross-entropy", "squared"])
leaks = st.sampled_from([0.0, 0.1, 0.5])
seeds = st.integers(0, 10_000)
exponents = st.floats(-8.0, 8.0)


def agrees_with_the_event_solver(flow, end):
    """Assert agreement to 10 times the tolerance, or a status of the hybrid solver that says why.

    Where the flow is not unique there are several right answers.
    """
    run, _ = integrate(flow, end=end, rtol=RTOL)
    if run.status != [Status.OK]:
        assert run.status[0] in (Status.STEP_UNDERFLOW, Status.MAX_STEPS)
        return
    exact, path = integrate(flow, "event", end=end, saves=9, rtol=1e-9, atol=1e-15)
    if exact.counters["repelling"] == 0 and exact.status == [Status.OK]:
        assert distance(flow, run.state, path) < 10.0 * RTOL


@EXAMPLES
@given(rules, losses, leaks, seeds, st.lists(st.floats(-6.0, 0.0), min_size=5, max_size=5))
def test_samples_of_unlike_lengths_are_integrated_as_exactly(rule, loss, leak, seed, lengths):
    assert len(lengths) == SAMPLES
    flow, end = flow_in_units(rule, loss, leak, seed, lengths=10.0 ** np.array(lengths))
    agrees_with_the_event_solver(flow, 4.0 * end)


@EXAMPLES
@given(rules, losses, leaks, seeds, st.integers(0, DIM - 1), exponents)
def test_a_feature_in_other_units_is_integrated_as_exactly(
    rule, loss, leak, seed, feature, exponent
):
    features = np.ones(DIM)
    features[feature] = 10.0**exponent
    flow, end = flow_in_units(rule, loss, leak, seed, features=features)
    # The flow is faster by the square of the unit.
    agrees_with_the_event_solver(flow, end / max(1.0, features.max()) ** 2)


@EXAMPLES
@given(rules, losses, leaks, seeds, exponents)
def test_data_in_other_units_give_the_same_flow(rule, loss, leak, seed, exponent):
    """With the start rescaled the flow is the same one in other units of weights and time."""
    c = 10.0**exponent
    flow, end = flow_in_units(rule, loss, leak, seed)
    scaled_flow, scaled_end = flow_in_units(rule, loss, leak, seed, c=c)
    run, path = integrate(flow, end=end, saves=9, rtol=RTOL)
    scaled, _ = integrate(scaled_flow, end=scaled_end, rtol=RTOL)
    assert run.status == scaled.status == [Status.OK]
    inner, outer, *_ = units(rule, c)
    views = scaled_flow.layout.views(scaled.state)
    back = flow.layout.pack({"W1": views["W1"] / inner, "W2": views["W2"] / outer})
    if run.counters["repelling"] == 0:
        assert distance(flow, back, path) < 10.0 * RTOL


@pytest.mark.parametrize("s", [3e-3, 1e-5, 1e-6, 1e-8])
def test_a_neuron_slides_on_a_short_sample(s):
    """The second weight is held at zero: what remains is a smooth flow of two weights."""
    run = flowfa.simulate(short_sample(s), 1, t_end=10.0, rtol=1e-7, save=3)
    assert run.statuses == ["ok"]
    recorded = {name: group.to_dataset() for name, group in run.tree.children.items()}
    assert int(recorded["solver"]["slidings"][0]) == 1

    def velocity(_, state):
        w, v = state
        r = (np.array([1.0, 3.0]) - v * w * np.array([1.0, s])) / 3.0
        return [r @ [1.0, s], w * (r @ [1.0, s])]

    at_end = solve_ivp(velocity, (0.0, 10.0), [1.0, 1.0], rtol=1e-12, atol=1e-14).y[:, -1]
    weights = recorded["weights"]
    W1, W2 = weights["W1"].values[0, -1, 0], weights["W2"].values[0, -1, 0]
    np.testing.assert_allclose([W1[0], W2[0]], at_end, rtol=1e-6)
    assert abs(W1[1]) < 1e-14
    update = float(recorded["trajectory"]["update_norm"][0, -1])
    assert update == pytest.approx(np.hypot(*velocity(0.0, [W1[0], W2[0]])), rel=1e-9)


@pytest.mark.parametrize("leak", [0.0, 0.1])
def test_samples_in_a_plane_of_short_features_meet_no_storm(leak):
    random = np.random.default_rng(0)
    X = random.standard_normal((14, 6))
    X[6:, :3] = 0.0
    X[:, 3:] *= 0.01
    data = Dataset(X, random.choice((-1.0, 1.0), 14))
    problem = flowfa.Problem(data, (5,), leak, ("fa", "signfa"), "logistic", initial="xavier")
    run = flowfa.simulate(problem, 2, t_end=1e4, save=3)
    assert run.statuses == ["ok"] * 4


def test_surfaces_are_those_of_the_data_whatever_their_lengths():
    """Merging does not follow from lengths, however long or short samples are."""
    X = np.array([[1.0, 2.0], [-3.0, -6.0], [2.0, -1.0], [2.0, 4.0]])
    lengths = np.array([1.0, 1e-200, 1e200, 1e-300])
    surfaces = find_surfaces((lengths[:, None] * X)[None])
    assert surfaces.surface.tolist() == [[0, 0, 1, 0]]
    np.testing.assert_allclose(surfaces.gram[0], np.eye(2), atol=1e-15)
    norms = np.array([1.0, -3.0, 1.0, 2.0]) * np.sqrt(5.0)
    np.testing.assert_allclose(surfaces.factor[0], lengths * norms, rtol=1e-14)


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
def test_a_preactivation_is_zero_or_not_whatever_the_units_of_features(unit):
    """Close to a kink, but far beyond rounding, the slope is that of the side.

    In-weights of a feature in units of 1e-8 are 1e8 times as large as what they do.
    """
    flow, _ = flow_in_units("fa", "squared", 0.1, 3, features=np.array([1.0, unit, 1.0]))
    field, views = flow.field, flow.layout.views(flow.initial)
    first = views["W1"].clone()
    normal = field.inputs[0]
    onto = first[0] @ normal / normal[0]
    first[0, :, 0] += 1e-5 - onto
    forward = field.forward(flow.layout.pack({"W1": first, "W2": views["W2"]}))
    assert float(forward.preactivations[0][0, :, 0].min()) > 0.0
    assert with_sliding_slopes(field, forward, field.output_signal(forward)).slopes == ()
    assert torch.isfinite(forward.output).all()


def test_rates_stay_right_where_the_rounding_of_many_steps_would_leave_the_surface():
    """A neuron slides for long, on samples whose features have unlike units."""
    X = np.array(
        [
            [-9.61209084e-02, -1.63023113e-02, 6.18823611e00, -1.35154455e00],
            [-1.66098798e-01, -1.27621558e-02, -1.42862860e01, 1.31330125e00],
            [8.45113615e-02, 8.48596725e-03, 2.60910504e01, -1.40729986e01],
            [3.49683148e-01, -2.90324377e-02, -1.15181014e01, -1.17031939e-01],
            [-3.00323639e-01, 2.14393962e-03, 3.64210629e01, -1.01730229e01],
            [-5.91439454e-02, 2.64286866e-02, 2.93589737e01, 1.40962401e01],
        ]
    )
    start = {
        "W1": np.array([[0.00012126, -0.00032458, 0.00058295, -0.00087342]]),
        "W2": np.array([[6.13928906e-06]]),
        "D1": np.array([[-2.61241285]]),
    }
    problem = flowfa.Problem(
        flowfa.Dataset(X, np.array([1.0, 1.0, 1.0, 1.0, -1.0, 1.0])),
        leak=0.0,
        rule="dfa",
        loss="logistic",
        initial=flowfa.problems.starts.given_start(start),
    )
    run = flowfa.simulate(problem, t_end=100.0, save_at=[99.0, 99.5], rtol=1e-7)
    assert run.tree["solver"]["slidings"].values[0] >= 2
    seen = run.tree["trajectory"]
    _, before, _, after = seen["loss"].values[0]
    assert seen["loss_rate"].values[0, 2] == pytest.approx(after - before, rel=1e-3)

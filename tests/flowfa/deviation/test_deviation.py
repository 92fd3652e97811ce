"""Discrete steps against the flow: slopes, C-11, time-warping, the stability edge, divergence."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import flowfa
from flowfa.deviation import memory
from flowfa.deviation.slopes import fit_slope
from flowfa.deviation.stability import Spectrum, spectrum
from flowfa.deviation.study import study
from flowfa.deviation.summary import cases, slope_of
from flowfa.deviation.walk import walk
from flowfa.deviation.warp import time_warped
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import build_ensemble
from flowfa.problems.starts import given_start
from flowfa.settings import DeviationSettings
from flowfa.training import law as conservation
from tests.support.nightly import some_now

RULES = ("gd", "fa", "adafa", "signfa", "dfa", "frsf")


def smooth_problem(rule="fa", width=6, **more):
    data = flowfa.datasets.gaussian(samples=6, dim=8, seed=2)
    return flowfa.Problem(data, (width,), rule=rule, leak=1.0, initial="xavier", **more)


def named(found, rule, architecture="6"):
    """Return a study as a sweep of one part."""
    part = found.assign_coords(rule=rule, architecture=architecture)
    return part.expand_dims(("architecture", "rule"))


# --- the deviation --------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", some_now(RULES, ["fa", "signfa"]))
def test_on_a_smooth_flow_the_deviation_is_a_first_power_of_the_rate(rule):
    settings = DeviationSettings(rates=(0.02, 0.01, 0.005), t_end=2.0, points=4, fresh=5)
    found = study(smooth_problem(rule, loss="logistic"), 0, 3, settings)
    assert found["resolved"].all()
    (case,) = cases(named(found, rule))
    for quantity in ("parameters", "outputs"):
        slope = slope_of(case, quantity, 0.0)
        assert slope is not None
        assert abs(slope.slope - 1.0) <= 0.03, quantity


def test_after_the_last_crossing_orthogonally_separable_data_have_slope_one():
    data = flowfa.datasets.orthogonally_separable(samples=8, dim=20, lambda_=0.2, seed=0)
    early = flowfa.Problem(data, (10,), rule="fa", leak=0.1)
    run = flowfa.simulate(early, trajectories=3, t_end=20.0, rtol=1e-8, seed=1)
    weights = run.tree["weights"]
    start = {name: weights[name].values[:, -1] for name in ("W1", "W2")}
    start["B2"] = weights["B2"].values
    start["B2"] = start["B2"][:, -1] if start["B2"].ndim == 4 else start["B2"]
    late = flowfa.Problem(data, (10,), rule="fa", leak=0.1, initial=given_start(start))
    settings = DeviationSettings(rates=(0.4, 0.2, 0.1), t_end=20.0, points=10, fresh=5)
    found = study(late, 0, 3, settings)
    assert (found["patterns"] == 0.0).all(), "no neuron crosses"
    (case,) = cases(named(found, "fa", "10"))
    slope = slope_of(case, "parameters", 0.0)
    assert slope is not None
    assert abs(slope.slope - 1.0) <= 0.03


def test_the_flow_is_tightened_until_its_error_is_the_asked_share_of_the_deviation():
    data = flowfa.datasets.gaussian(samples=6, dim=8, seed=2)
    problem = flowfa.Problem(data, (6,), leak=0.1, initial="xavier")
    settings = DeviationSettings(rates=(0.01,), t_end=1.0, points=3, rtol=1e-3, share=1e-4)
    found = study(problem, 0, 2, settings)
    assert (found["flow_error"] <= 1e-4 * found["parameters"]).all()
    assert (found["flow_rtol"] < 1e-3).all()


def test_a_flow_that_is_never_exact_enough_is_marked():
    """Steps so small that the flow would have to be exact to less than rounding."""
    settings = DeviationSettings(rates=(1e-5,), t_end=1e-4, points=2, rtol=1e-9, share=1e-7)
    found = study(smooth_problem(loss="logistic"), 0, 2, settings)
    assert not found["resolved"].any()
    (case,) = cases(named(found, "fa"))
    assert slope_of(case, "parameters", 0.0) is None


def test_momentum_is_compared_at_rescaled_time():
    settings = DeviationSettings(rates=(0.02, 0.01), momenta=(0.0, 0.5), t_end=2.0, points=4)
    found = study(smooth_problem(loss="logistic"), 0, 2, settings)
    expected = found["step"] * found["rate"] / (1.0 - found["momentum"])
    np.testing.assert_allclose(found["time"], expected, rtol=1e-14)
    # Compared at k eta the distance would be of the order of the path, and not of the rate.
    assert (found["parameters"].isel(point=-1) < 0.1).all()
    (case,) = cases(named(found, "fa"))
    slope = slope_of(case, "parameters", 0.5)
    assert slope is not None
    assert abs(slope.slope - 1.0) < 0.1


def test_rates_together_are_the_rates_alone():
    settings = {"t_end": 1.0, "points": 3, "fresh": 5}
    together = study(
        smooth_problem(), 0, 2, DeviationSettings(rates=(0.05, 0.02), rtol=1e-9, **settings)
    )
    for place, rate in enumerate((0.05, 0.02)):
        alone = study(
            smooth_problem(), 0, 2, DeviationSettings(rates=(rate,), rtol=1e-9, **settings)
        )
        own = together.isel(variant=place)
        pairs = itertools.product(own["time"].values, alone["time"].values[0])
        both = [(a, b) for a, b in pairs if abs(a - b) < 1e-12]
        assert both
        for time, same in both:
            left = own["law_drift"].values[:, own["time"].values == time]
            right = alone["law_drift"].values[:, 0, alone["time"].values[0] == same]
            np.testing.assert_allclose(left, right, rtol=1e-10)


def test_starts_that_are_studied_block_by_block_are_those_studied_together(monkeypatch):
    settings = DeviationSettings(rates=(0.02, 0.01), t_end=1.0, points=3, fresh=5)
    together = study(smooth_problem(loss="logistic"), 0, 3, settings)
    monkeypatch.setattr(memory, "BLOCK_BYTES", 1)
    apart = study(smooth_problem(loss="logistic"), 0, 3, settings)
    assert apart.sizes == together.sizes
    for name in ("parameters", "warped", "outputs", "law_drift", "shown_out_steps"):
        np.testing.assert_allclose(apart[name], together[name], rtol=1e-6, err_msg=name)


def test_a_multiple_of_the_edge_of_which_no_step_fits_is_left_out():
    settings = DeviationSettings(rates=(0.02,), edge_multiples=(1e4,), t_end=1.0, points=2)
    found = study(smooth_problem(loss="logistic"), 0, 2, settings)
    assert np.isnan(found["rate"].values).tolist() == [False, True]
    assert np.isnan(found["parameters"].values[:, 1]).all()


def test_elkabetz_and_cohens_ratio_is_that_of_a_first_order_error():
    settings = DeviationSettings(rates=(0.01,), refinements=(2, 5), t_end=1.0, points=2)
    found = study(smooth_problem(loss="logistic"), 0, 2, settings)
    ratio = (found["apparent"] / found["parameters"].isel(variant=0)).isel(point=-1)
    for r, own in zip((2, 5), ratio.transpose("refinement", "start").values, strict=True):
        np.testing.assert_allclose(own, 1.0 - 1.0 / r, rtol=0.02)


def test_beyond_the_stability_edge_steps_leave_the_flow_and_that_is_a_result():
    problem = smooth_problem("gd", loss="squared")
    settings = DeviationSettings(
        rates=(0.01,), edge_multiples=(0.5, 4.0), t_end=40.0, points=4, rtol=1e-6
    )
    found = study(problem, 0, 3, settings)
    multiple = found["edge_multiple"].values
    below, above = (int(np.flatnonzero(multiple == m)[0]) for m in (0.5, 4.0))
    assert (found["diverged_step"].values[:, below] == -1).all()
    lost = found["diverged_step"].values[:, above] >= 0
    far = found["parameters"].values[:, above, -1] > 0.5
    assert (lost | far).all()
    assert lost.any()


# --- C-11 -----------------------------------------------------------------------------------------


def walked(rule, momentum=0.0, steps=1000, rate=0.5):
    data = flowfa.datasets.gaussian(samples=10, dim=6, seed=3)
    problem = flowfa.Problem(data, (8,), rule=rule, leak=0.1, loss="logistic", initial="xavier")
    flow = NetworkFlow(problem, build_ensemble(problem, 3, 0))
    rows = len(flow.initial)
    points = np.tile(np.arange(100, steps + 1, 100), (rows, 1))
    return walk(flow.field, flow.initial, np.full(rows, rate), np.full(rows, momentum), points)


@pytest.mark.parametrize("rule", some_now(["fa", "adafa", "gd", "signfa"], ["adafa", "signfa"]))
def test_the_laws_drift_is_c11s_over_a_thousand_steps(rule):
    found = walked(rule)
    if rule == "signfa":
        assert (found.first_flip >= 0).sum() >= 2, "signs flip, so that C-11's bracket counts"
    scale = found.predicted.abs().amax((1, 2), keepdim=True)
    assert (scale > 1e-3).all(), "there is a drift"
    assert ((found.drift - found.predicted).abs() / scale).max() < 1e-12


def test_the_laws_drift_with_momentum_is_c11s_over_a_thousand_steps():
    found = walked("fa", momentum=0.9, rate=0.1)
    scale = found.predicted.abs().amax((1, 2), keepdim=True)
    assert ((found.drift - found.predicted).abs() / scale).max() < 1e-12


def test_the_drift_under_fa_is_half_the_sum_of_squared_updates():
    """Of C-11's first row, added up without flowfa's law."""
    data = flowfa.datasets.gaussian(samples=10, dim=6, seed=3)
    problem = flowfa.Problem(data, (8,), rule="fa", leak=0.1, loss="logistic", initial="xavier")
    flow = NetworkFlow(problem, build_ensemble(problem, 2, 0))
    state, total, rate = flow.initial, torch.zeros(2, 8, dtype=torch.float64), 0.05
    for _ in range(50):
        update = flow.field(torch.zeros(2, dtype=torch.float64), state)
        total += 0.5 * rate**2 * flow.layout.views(update)["W1"].square().sum(2)
        state = state + rate * update
    found = walk(flow.field, flow.initial, np.full(2, rate), np.zeros(2), np.full((2, 1), 50))
    torch.testing.assert_close(found.drift[:, 0], total, rtol=1e-9, atol=1e-15)
    torch.testing.assert_close(found.states[:, 0], state, rtol=1e-13, atol=1e-15)


def test_a_law_that_forgets_sign_flips_is_off(monkeypatch):
    right = walked("signfa", steps=300)
    monkeypatch.setattr(conservation, "_remainder", lambda *_: torch.zeros(()))
    wrong = walked("signfa", steps=300)
    assert (wrong.drift - wrong.predicted).abs().max() > 1e6 * (
        right.drift - right.predicted
    ).abs().max()


# --- matching in time -----------------------------------------------------------------------------


def brute_force(points, curve):
    """Try every monotone choice of segments."""
    best, chosen = np.inf, None
    segments = len(curve) - 1
    for choice in itertools.combinations_with_replacement(range(segments), len(points)):
        distances = []
        for point, segment in zip(points, choice, strict=True):
            a, b = curve[segment], curve[segment + 1]
            share = np.clip(np.dot(point - a, b - a) / np.dot(b - a, b - a), 0.0, 1.0)
            distances.append(np.linalg.norm(point - a - share * (b - a)))
        total = np.square(distances).sum()
        if total < best:
            best, chosen = total, distances
    return np.array(chosen)


@pytest.mark.parametrize("seed", range(4))
def test_time_warping_is_the_best_monotone_matching(seed):
    random = np.random.default_rng(seed)
    curve = random.standard_normal((6, 2)).cumsum(0)
    points = curve[[0, 2, 3, 5]] + 0.8 * random.standard_normal((4, 2))
    found, matched = time_warped(points, curve, np.arange(6.0))
    np.testing.assert_allclose(found, brute_force(points, curve), rtol=1e-9)
    assert (np.diff(matched) > -1.0).all()


def test_steps_that_are_late_on_the_same_path_match_it_exactly():
    times = np.linspace(0.0, 1.0, 50)
    curve = np.stack([times, times], 1)
    late = np.stack([0.8 * times[::7], 0.8 * times[::7]], 1)
    distance, matched = time_warped(late, curve, times)
    assert distance.max() < 1e-14
    np.testing.assert_allclose(matched, 0.8 * times[::7], atol=1e-14)


def test_steps_on_their_way_to_infinity_are_left_unmatched():
    times = np.linspace(0.0, 1.0, 5)
    curve = np.stack([times, times], 1)
    distance, _ = time_warped(np.array([[0.5, 0.5], [1e200, 0.0], [0.5, 0.5]]), curve, times)
    assert np.isnan(distance).tolist() == [False, True, True]


# --- the stability edge ---------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["gd", "fa", "signfa"])
def test_the_edge_is_that_of_the_dense_jacobian(rule):
    problem = smooth_problem(rule, width=4, loss="squared")
    flow = NetworkFlow(problem, build_ensemble(problem, 2, 0))
    found = spectrum(flow.field, flow.initial)
    for row in range(2):
        member = flow.field.select(torch.tensor([row]))
        at = flow.initial[row]
        columns = []
        for direction in torch.eye(len(at), dtype=torch.float64):
            # Central differences: an oracle that needs no derivative of ours.
            ahead, behind = (
                -member(torch.zeros(1), (at + sign * 1e-6 * direction)[None])[0]
                for sign in (1.0, -1.0)
            )
            columns.append((ahead - behind) / 2e-6)
        values = torch.linalg.eigvals(torch.stack(columns, 1)).numpy()
        radius = np.abs(values).max()
        growing = values[values.real > 1e-3 * radius]
        edge = (2.0 * growing.real / np.abs(growing) ** 2).min()
        np.testing.assert_allclose(found.radius[row], radius, rtol=1e-5)
        np.testing.assert_allclose(found.edge()[row], edge, rtol=1e-3)
        if rule == "gd":
            assert np.abs(values.imag).max() < 1e-5 * radius
            np.testing.assert_allclose(found.edge()[row], 2.0 / values.real.max(), rtol=1e-5)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("value", [2.0, 1.0 + 0.7j, 0.2 + 3.0j])
def test_momentums_edge_is_where_a_root_of_its_recursion_leaves_the_unit_circle(value, momentum):
    found = Spectrum((np.array([value], dtype=complex),), np.array([abs(value)])).edge(momentum)
    for rate, stable in ((0.999 * found[0], True), (1.001 * found[0], False)):
        roots = np.roots([1.0, -(1.0 + momentum - rate * value), momentum])
        assert (np.abs(roots).max() < 1.0) == stable


# --- slopes ---------------------------------------------------------------------------------------


def test_a_power_is_found_with_its_interval_over_starts():
    rate = np.array([0.1, 0.05, 0.025])
    powers = np.array([0.9, 1.0, 1.1])
    deviation = 3.0 * rate ** powers[:, None]
    found = fit_slope(rate, deviation, np.ones((3, 3), dtype=bool))
    assert found is not None
    np.testing.assert_allclose(found.slope, 1.0, rtol=1e-12)
    # Student's t with 2 degrees of freedom, 97.5 %: 4.302653 (tables).
    np.testing.assert_allclose(found.high - 1.0, 4.302653 * 0.1 / 3**0.5, rtol=1e-6)
    assert fit_slope(rate, deviation, np.eye(3, dtype=bool)) is None

"""Smoothed kinks: the slope, what is conserved, the way to the exact flow, and refusals."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import flowfa
from flowfa.cli.main import main
from flowfa.errors import InputError, Interrupted
from flowfa.flow.field import NetworkField
from flowfa.flow.network_flow import NetworkFlow
from flowfa.flow.observables import conserved
from flowfa.problems import build_ensemble
from flowfa.problems.activations.leaky_relu import leaky_relu
from flowfa.problems.activations.smoothed_leaky_relu import smooth_derivative, smooth_slope
from flowfa.seeds import generator
from flowfa.settings import SimulateSettings, from_toml, to_json_dict
from flowfa.solvers.choice import choose
from flowfa.solvers.stepping.status import Status
from tests.support.sliding import RULES, integrate, network
from tests.support.watching import stops_after

leaks = st.floats(0.0, 1.0, exclude_max=True)
half_widths = st.floats(1e-8, 1e3)


def defined_slope(z, leak, width):
    """The definition in t, word for word; torch, so that autograd can differentiate it."""
    t = ((z / width + 1.0) / 2.0).clamp(0.0, 1.0)
    return leak + (1.0 - leak) * (6.0 * t**5 - 15.0 * t**4 + 10.0 * t**3)


def smoothed(widths=(10,), smooth_kinks: float | None = 0.5, starts=2, rules=RULES, seed=2):
    """The flow of `sliding.network` with smoothed kinks and the same starts."""
    given_flow = network(seed=seed)
    problem = flowfa.Problem(
        given_flow.problem.data, widths, 0.1, rules, initial="xavier", smooth_kinks=smooth_kinks
    )
    return NetworkFlow(problem, build_ensemble(problem, starts, 0))


def shaken(flow):
    noise = generator(4, "smooth kinks").standard_normal(tuple(flow.initial.shape))
    return flow.initial + 0.2 * torch.tensor(noise)


def law(flow, state):
    return conserved(flow.field, flow.field.forward(state), flow.span.outside_norm2)


def use_mismatched_slope(monkeypatch):
    """Let rules go backward through the true derivative, which is not h / z."""
    through = NetworkField._through
    monkeypatch.setattr(
        NetworkField,
        "_through",
        lambda self, signal, forward, place, exact: through(self, signal, forward, place, True),
    )


# --- the slope ----------------------------------------------------------------------------------


@given(leaks, half_widths, st.lists(st.floats(-3.0, 3.0), min_size=2))
def test_slope_is_the_blend_of_its_definition_and_exact_outside(leak, width, places):
    z = width * torch.tensor(sorted(places), dtype=torch.float64)
    slope = smooth_slope(z, leak, width)
    torch.testing.assert_close(slope, defined_slope(z, leak, width), rtol=0.0, atol=1e-14)
    outside = z.abs() >= width
    assert torch.equal((slope * z)[outside], leaky_relu(z, leak)[outside])
    rounding = 1e-15
    assert (slope.diff() >= -rounding).all()
    assert (slope >= leak - rounding).all() and (slope <= 1.0 + rounding).all()


@given(leaks, half_widths, st.lists(st.floats(-2.0, 2.0), min_size=1))
def test_derivative_is_that_of_autograd_and_near_the_slope(leak, width, places):
    z = (width * torch.tensor(places, dtype=torch.float64)).requires_grad_()
    (expected,) = torch.autograd.grad((defined_slope(z, leak, width) * z).sum(), z)
    z = z.detach()
    slope = smooth_slope(z, leak, width)
    found = smooth_derivative(slope, z, leak, width)
    torch.testing.assert_close(found, expected, rtol=0.0, atol=1e-13)
    assert ((found - slope).abs() <= (1.0 - leak) * 3.0 / (5.0 * 5.0**0.5) + 1e-15).all()


def test_the_bound_on_the_derivative_is_attained():
    z = torch.tensor([5.0**-0.5], dtype=torch.float64)
    slope = smooth_slope(z, 0.0, 1.0)
    gap = float(smooth_derivative(slope, z, 0.0, 1.0) - slope)
    assert gap == pytest.approx(3.0 / (5.0 * 5.0**0.5), rel=1e-14)


# --- C-1 and Eq. (1) ----------------------------------------------------------------------------


@pytest.mark.parametrize("mismatched", [False, True])
def test_c1_holds_at_every_instant_and_not_with_a_mismatched_slope(mismatched, monkeypatch):
    flow = smoothed((5, 4))
    if mismatched:
        use_mismatched_slope(monkeypatch)
    states = shaken(flow)
    velocity = flow.field(torch.zeros(len(flow)), states)
    _, rates = torch.autograd.functional.jvp(lambda state: law(flow, state), states, velocity)
    for rule in RULES:
        rows = torch.tensor([name == rule for name in flow.rules])
        worst = float(rates[rows].abs().nan_to_num().max())
        assert worst > 1e-3 if mismatched else worst < 1e-13


def test_drift_shrinks_with_rtol_and_not_with_a_mismatched_slope(monkeypatch):
    flow = smoothed((6, 5), 0.1, rules=("fa",))

    def drifts():
        runs = [integrate(flow, "dopri5", 4.0, rtol=rtol)[0] for rtol in (1e-4, 1e-6, 1e-8)]
        return [float((law(flow, run.state) - law(flow, flow.initial)).abs().max()) for run in runs]

    matched = drifts()
    assert matched[1] < matched[0] / 10.0 and matched[2] < matched[1] / 10.0
    use_mismatched_slope(monkeypatch)
    broken = drifts()
    assert broken[2] > 1e-3 and broken[2] == pytest.approx(broken[1], rel=1e-2)


def test_observed_gradient_is_autograds_and_the_loss_rate_that_of_the_loss():
    flow = smoothed((5, 4))
    states = shaken(flow).requires_grad_()
    weights = flow.layout.views(states)
    h = flow.field.inputs.T
    for layer in (1, 2, 3):
        z = weights[f"W{layer}"] @ h
        h = defined_slope(z, 0.1, 0.5) * z
    loss = torch.exp(-flow.field.targets * z).mean((1, 2))
    (gradient,) = torch.autograd.grad(loss.sum(), states)
    velocity = flow.field(torch.zeros(len(flow)), states.detach())
    seen = flow.observe(states.detach(), torch.arange(len(flow)))
    torch.testing.assert_close(seen["loss"], loss.detach(), rtol=1e-13, atol=0.0)
    torch.testing.assert_close(seen["gradient_norm"], gradient.norm(dim=1), rtol=1e-12, atol=0.0)
    rate = (gradient * velocity).sum(1)
    torch.testing.assert_close(seen["loss_rate"], rate, rtol=1e-11, atol=1e-14)
    # gd follows the slope s(z), so that its update is near the gradient but is not it.
    is_gd = torch.tensor([name == "gd" for name in flow.rules])
    assert (seen["cosine"][is_gd] > 0.9).all() and (seen["cosine"][is_gd] < 1.0 - 1e-6).all()


def test_batched_equals_loop():
    flow = smoothed((5, 4))
    states, time = shaken(flow), torch.zeros(len(flow))
    together = flow.field(time, states)
    for i in range(len(flow)):
        row = torch.tensor([i])
        assert torch.equal(flow.field.select(row)(time[row], states[row])[0], together[i])


# --- the exact flow -----------------------------------------------------------------------------


def test_distance_to_the_hybrid_solver_falls_in_proportion_to_epsilon():
    exact_flow = network(seed=2)
    exact, _ = integrate(exact_flow, "hybrid", 4.0, rtol=1e-9)
    assert (exact.counters["slidings"] > 0).all() and (exact.counters["repelling"] == 0).all()
    far = []
    for epsilon in (1e-1, 1e-2):
        flow = smoothed(smooth_kinks=epsilon)
        assert torch.equal(flow.initial, exact_flow.initial)
        run, _ = integrate(flow, "dopri5", 4.0, rtol=1e-7)
        far.append((run.state - exact.state).norm(dim=1))
    for wide, narrow in itertools.pairwise(far):
        assert (narrow < wide / 5.0).all() and (narrow > wide / 20.0).all()


@pytest.mark.slow
def test_loss_rate_tends_to_the_exact_flows_while_cosine_of_gd_keeps_a_bias():
    """In sliding z rests where derivative and slope differ, whatever epsilon, but z' vanishes."""
    rows = torch.arange(2)
    exact_flow = network(rules=("gd",), seed=2)
    run, states = integrate(exact_flow, "hybrid", 4.0, saves=401, rtol=1e-9)
    assert (run.counters["slidings"] > 0).all()
    ahead, behind = (exact_flow.observe(states[:, i].contiguous(), rows) for i in (400, 398))
    expected = (ahead["loss"] - behind["loss"]) / 0.02
    far, below = [], []
    for epsilon in (1e-1, 1e-2, 1e-3):
        flow = smoothed(smooth_kinks=epsilon, rules=("gd",))
        _, states = integrate(flow, "dopri5", 4.0, saves=401, rtol=1e-8)
        seen = flow.observe(states[:, 399].contiguous(), rows)
        far.append((seen["loss_rate"] / expected - 1.0).abs())
        below.append(1.0 - seen["cosine"])
    assert (far[2] < far[0] / 20.0).all() and (far[2] < 1e-3).all()
    assert (below[2] > 1e-4).all() and (below[2] > 0.5 * below[1]).all()


def test_a_deep_flow_that_chatters_reaches_its_end():
    data = flowfa.datasets.gaussian(samples=20, dim=20, seed=0)

    def ended(smooth_kinks, solver="auto"):
        problem = flowfa.Problem(data, (12, 8), initial="xavier", smooth_kinks=smooth_kinks)
        return flowfa.simulate(problem, 1, t_end=20.0, rtol=1e-6, save=2, solver=solver)

    assert ended(None, "bosh3").statuses == ["chattering"]
    assert ended(1e-2).statuses == ["ok"]
    # The event solver, which `auto` takes for a network as small, needs no neighbouring flow.
    assert ended(None).statuses == ["ok"]


def test_smoothed_kinks_have_no_surfaces_and_auto_takes_dopri5():
    flow = smoothed()
    assert flow.field.switching(flow.initial) is None
    assert choose("auto", flow.problem).name == "dopri5"
    assert choose("auto", network().problem).name == "hybrid"


# --- refusals, command line, configuration ------------------------------------------------------


@pytest.mark.parametrize("width", [0.0, -1.0, np.nan, np.inf])
def test_a_width_that_is_not_positive_and_finite_is_refused(width):
    with pytest.raises(InputError, match=f"`smooth_kinks` is {width}: expected a positive finite"):
        flowfa.Problem(flowfa.datasets.gaussian(4, 3), smooth_kinks=width)


def test_linear_networks_and_the_hybrid_solver_are_refused():
    data = flowfa.datasets.gaussian(4, 3)
    with pytest.raises(InputError, match="`leak` is 1, which has no kinks: leave it out"):
        flowfa.Problem(data, leak=1.0, smooth_kinks=0.1)
    problem = flowfa.Problem(data, (4,), smooth_kinks=0.1)
    with pytest.raises(InputError, match='leave out `smooth_kinks`, or take `solver="dopri5"`'):
        flowfa.simulate(problem, 1, solver="hybrid")


def test_the_message_of_chattering_names_both_remedies():
    assert '`solver="hybrid"` (one hidden layer)' in Status.CHATTERING.value
    assert '`solver="event"` (several)' in Status.CHATTERING.value
    assert "`smooth_kinks=EPS`" in Status.CHATTERING.value


def test_a_stopped_run_resumes_bit_for_bit_and_only_with_its_own_width(tmp_path):
    def simulated(name, smooth_kinks: float | None = 0.1, **more):
        problem = smoothed((5, 4), smooth_kinks, rules=("gd", "fa")).problem
        return flowfa.simulate(problem, 2, t_end=4.0, save=9, path=tmp_path / name, **more)

    whole = simulated("whole.nc")
    with pytest.raises(Interrupted):
        simulated("run.nc", progress=stops_after(5))
    for other in (0.2, None):
        with pytest.raises(InputError, match=r"has smooth_kinks = 0\.1, this command"):
            simulated("run.nc", other, resume=True)
    resumed = simulated("run.nc", resume=True)
    for group in ("trajectory", "weights", "neurons", "solver"):
        assert resumed.tree.children[group].identical(whole.tree.children[group])


FLAGS = (
    "simulate --dataset gaussian --samples 5 --dim 4 --width 4 3 --trajectories 1 --t-end 1 "
    "--save 2 --plot none --quiet --threads 1 --no-check"
)


@pytest.mark.parametrize(
    ("flags", "fragment"),
    [
        ("--smooth-kinks 0", "--smooth-kinks is 0.0: expected a positive finite number"),
        ("--smooth-kinks -1", "--smooth-kinks is -1.0: expected"),
        ("--smooth-kinks nan", "--smooth-kinks is nan: expected"),
        ("--smooth-kinks 0.1 --leak 1", "--leak is 1, which has no kinks: leave it out"),
        (
            "--smooth-kinks 0.1 --solver hybrid",
            "the hybrid solver follows kinks exactly: leave out --smooth-kinks, or take --solver",
        ),
    ],
)
def test_the_command_line_refuses_in_one_line(tmp_path, monkeypatch, capsys, flags, fragment):
    monkeypatch.chdir(tmp_path)
    assert main([*FLAGS.split(), *flags.split()]) == 64
    complaint = capsys.readouterr().err
    assert fragment in complaint and complaint.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_flag_and_the_key_are_stored_and_change_the_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.toml").write_text("smooth-kinks = 0.25\n")
    assert from_toml("run.toml", SimulateSettings) == {"smooth_kinks": 0.25}
    assert to_json_dict(SimulateSettings(smooth_kinks=0.25))["smooth_kinks"] == 0.25
    assert main([*FLAGS.split(), "--out", "flag.nc", "--smooth-kinks", "0.25"]) == 0
    assert main([*FLAGS.split(), "--out", "file.nc", "--config", "run.toml"]) == 0
    assert main([*FLAGS.split(), "--out", "exact.nc", "--solver", "dopri5"]) == 0
    flag, file, exact = (flowfa.load(name) for name in ("flag.nc", "file.nc", "exact.nc"))
    assert json.loads(flag.attrs["config"])["smooth_kinks"] == 0.25
    assert json.loads(flag.attrs["config"])["solver"] == "dopri5"
    assert json.loads(exact.attrs["config"])["smooth_kinks"] is None
    ends = [tree["weights/W1"].isel(snapshot=-1).to_numpy() for tree in (flag, file, exact)]
    assert np.array_equal(ends[0], ends[1]) and not np.array_equal(ends[0], ends[2])

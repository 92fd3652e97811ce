"""Trajectories that a condition stops: when, with what, and under every solver."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.integrate import solve_ivp

import flowfa
import theory_checks
from flowfa.cli.main import main
from flowfa.errors import InputError, Interrupted
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import build_ensemble
from flowfa.solvers.stepping.status import CONDITION_LABELS, Status
from tests.support.watching import stops_after

SOLVERS = {
    "hybrid": {},
    "event": {},
    "bosh3": {},
    "dopri5": {},
    "tsit5": {},
    "dop853": {},
    "gauss2": {"rtol": 1e-4},
    "gauss6": {"rtol": 1e-4},
    "euler": {"step": 1e-2, "rtol": 1e-4},
    "rk4": {"step": 0.05},
}
LOSS = 0.6


def problem(rule=("gd", "fa"), **options):
    data = flowfa.datasets.orthogonally_separable(samples=6, dim=4, lambda_=0.1, seed=1)
    return flowfa.Problem(data, **{"widths": (5,)} | options, rule=rule)


def oracle(problem, reached, trajectories=2, t_end=400.0):
    """The times at which scipy finds `reached` (of a flat state) to pass through zero."""
    flow = NetworkFlow(problem, build_ensemble(problem, trajectories, 0))
    times = []
    for row in range(len(flow)):
        field = flow.field.select(torch.tensor([row]))

        def velocity(_, flat, field=field):
            return field(torch.zeros(1), torch.tensor(flat)[None])[0].numpy()

        def event(_, flat, field=field):
            return reached(field, flat)

        event.terminal = True
        start = flow.initial[row].numpy()
        found = solve_ivp(
            velocity, (0, t_end), start, events=event, method="DOP853", rtol=1e-10, atol=1e-12
        )
        times.append(found.t_events[0][0])
    return np.array(times)


def numpy_loss(field, flat):
    """The exponential loss of a leaky ReLU network, in numpy."""
    W1, W2 = (
        field.layout.views(torch.tensor(flat)[None])[name][0].numpy() for name in ("W1", "W2")
    )
    z = W1 @ field.inputs.numpy().T
    output = W2 @ np.where(z > 0, z, field.leak * z)
    return float(np.exp(-field.targets.numpy().reshape(output.shape) * output).mean())


def reached_times(run):
    return run.tree["solver"]["t_reached"].values


@pytest.fixture(scope="module")
def loss_times():
    """As `oracle`, with velocity and loss in numpy alone, since kinks cost scipy many steps."""
    flow = NetworkFlow(problem(), build_ensemble(problem(), 1, 0))
    X, y = flow.field.inputs.numpy(), flow.field.targets.numpy().ravel()
    cut = 5 * X.shape[1]
    times = []
    for row, rule in enumerate(flow.rules):
        kept = flow.field.select(torch.tensor([row])).groups[0].kept

        def forward(flat):
            z = X @ flat[:cut].reshape(5, -1).T
            return z, np.where(z > 0, z, flow.field.leak * z)

        def velocity(_, flat, kept=kept, rule=rule):
            z, h = forward(flat)
            pull = y * np.exp(-y * (h @ flat[cut:])) / len(y)
            back = flat[cut:] if rule == "gd" else kept["B2"][0, :, 0].numpy()
            through = pull[:, None] * back * np.where(z > 0, 1.0, flow.field.leak)
            return np.concatenate([(through.T @ X).ravel(), h.T @ pull])

        def event(_, flat):
            return float(np.exp(-y * (forward(flat)[1] @ flat[cut:])).mean()) - LOSS

        event.terminal = True
        start = flow.initial[row].numpy()
        found = solve_ivp(
            velocity, (0, 400), start, events=event, method="DOP853", rtol=1e-10, atol=1e-12
        )
        times.append(found.t_events[0][0])
    return np.array(times)


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_stops_where_scipy_finds_the_loss(solver, loss_times):
    accuracy = 5e-3 if solver in ("euler", "rk4", "gauss2", "gauss6") else 3e-5
    run = flowfa.simulate(
        problem(),
        1,
        t_end=400.0,
        solver=solver,
        until_loss=LOSS,
        **{"rtol": 1e-7} | SOLVERS[solver],
    )
    assert run.statuses == ["loss-reached"] * 2
    np.testing.assert_allclose(reached_times(run), loss_times, rtol=accuracy)


def test_torchdiffeq_stops_within_its_single_call():
    linear = problem(rule="fa", leak=1.0)
    times = [
        reached_times(
            flowfa.simulate(linear, 1, t_end=60.0, solver=solver, rtol=1e-6, until_loss=0.3)
        )
        for solver in ("torchdiffeq:dopri5", "dop853")
    ]
    np.testing.assert_allclose(*times, rtol=1e-4)


@pytest.mark.parametrize("solver", ["hybrid", "event", "bosh3"])
def test_the_last_weights_are_those_of_the_stop_and_have_the_loss(solver):
    run = flowfa.simulate(problem(), 2, t_end=400.0, solver=solver, rtol=1e-6, until_loss=LOSS)
    weights = run.tree["weights"].to_dataset()
    np.testing.assert_array_equal(weights["snapshot_time"].values[:, -1], reached_times(run))
    flow = NetworkFlow(problem(), build_ensemble(problem(), 2, 0))
    for row in range(4):
        last = {n: torch.tensor(weights[n].values[row, -1])[None] for n in ("W1", "W2")}
        field = flow.field.select(torch.tensor([row]))
        flat = field.layout.pack(last)[0].numpy()
        # A step ends far from there: the loss of its end differs by per cent.
        assert numpy_loss(field, flat) == pytest.approx(LOSS, rel=1e-10)


def test_the_gradient_stops_where_autograd_says():
    def gradient(field, flat):
        state = torch.tensor(flat, requires_grad=True)
        loss = field.loss.value(field.forward(state[None]).output, field.targets).mean()
        return float(torch.autograd.grad(loss, state)[0].norm()) - 0.05

    small = problem(rule="fa", leak=1.0)
    run = flowfa.simulate(small, 2, t_end=400.0, rtol=1e-8, until_gradient=0.05)
    assert run.statuses == ["gradient-reached"] * 2
    np.testing.assert_allclose(reached_times(run), oracle(small, gradient), rtol=1e-5)


def test_the_alignment_stops_where_numpy_says():
    small = problem(rule="fa", initial=flowfa.problems.starts.NormalStart(0.3), leak=1.0)

    def cosine(field, flat):
        v = field.layout.views(torch.tensor(flat)[None])["W2"][0, 0].numpy()
        b = field.groups[0].kept["B2"][0, :, 0].numpy()
        return v @ b / np.linalg.norm(v) / np.linalg.norm(b) - 0.6

    run = flowfa.simulate(small, 2, t_end=400.0, rtol=1e-8, until_alignment=0.6)
    assert run.statuses == ["alignment-reached"] * 2
    np.testing.assert_allclose(reached_times(run), oracle(small, cosine), rtol=1e-5)


def test_a_value_that_is_passed_and_left_within_one_step_is_found():
    """The loss of a sign rule far too strong falls and rises; steps of an easy flow are long."""
    data = flowfa.Dataset(np.array([[1.0], [-2.0]]), np.array([1.0, 1.0]))
    start = flowfa.problems.starts.given_start(
        {"W1": np.array([[1.0]]), "W2": np.array([[0.2]]), "B2": np.array([[1.0]])}
    )
    dipping = flowfa.Problem(data, rule="fa", loss="squared", leak=1.0, initial=start)
    free = flowfa.simulate(dipping, 1, t_end=3.0, save=3001, solver="rk4", step=1.0)
    losses = free.tree["trajectory"]["loss"].values[0]
    lowest = int(losses.argmin())
    assert 0 < lowest < 3000 and losses[-1] > losses[lowest]
    ends = losses[::1000]
    wanted = 0.5 * (losses[lowest] + ends.min())
    assert losses[lowest] < wanted < ends.min()
    run = flowfa.simulate(
        dipping, 1, t_end=3.0, save=2, solver="rk4", step=1.0, until_loss=float(wanted)
    )
    assert run.statuses == ["loss-reached"]
    first = free.tree["trajectory"]["time"].values[int((losses <= wanted).argmax())]
    assert abs(reached_times(run)[0] - first) <= 1e-3


def test_nothing_is_recorded_beyond_the_stop_and_before_it_as_without():
    free = flowfa.simulate(problem(), 2, t_end=100.0, save=400)
    run = flowfa.simulate(problem(), 2, t_end=100.0, save=400, until_loss=LOSS)
    time = run.tree["trajectory"]["time"].values
    before = time <= reached_times(run)[:, None]
    assert before.any(1).all() and (~before).any(1).all()
    for name in ("loss", "cosine", "update_norm"):
        expected = np.where(before, free.tree["trajectory"][name].values, np.nan)
        np.testing.assert_array_equal(run.tree["trajectory"][name].values, expected)


def test_each_trajectory_stops_as_it_does_alone():
    together = reached_times(flowfa.simulate(problem(), 3, t_end=400.0, until_loss=LOSS))
    alone = reached_times(flowfa.simulate(problem(), 1, t_end=400.0, until_loss=LOSS))
    np.testing.assert_array_equal(together[[0, 3]], alone)


def test_the_first_of_several_conditions_stops():
    run = flowfa.simulate(problem(), 2, t_end=400.0, until_loss=LOSS, until_gradient=0.15)
    alone = [
        reached_times(flowfa.simulate(problem(), 2, t_end=400.0, **{name: value}))
        for name, value in (("until_loss", LOSS), ("until_gradient", 0.15))
    ]
    np.testing.assert_array_equal(reached_times(run), np.minimum(*alone))


def test_trajectories_that_reach_nothing_go_to_the_end():
    run = flowfa.simulate(problem(), 2, t_end=1.0, until_loss=1e-9)
    assert run.statuses == ["ok"] * 4
    assert not run.failed


@pytest.mark.usefixtures("step_by_step")
@pytest.mark.parametrize("rounds", [2, 9])
def test_a_resumed_run_stops_as_the_uninterrupted_one(tmp_path, rounds):
    settings = {"t_end": 400.0, "until_loss": LOSS, "rtol": 1e-6}
    whole = flowfa.simulate(problem(), 2, **settings)
    path = tmp_path / "run.nc"
    with pytest.raises(Interrupted):
        flowfa.simulate(problem(), 2, path=path, progress=stops_after(rounds), **settings)
    with pytest.raises(InputError, match="until_loss"):
        flowfa.simulate(problem(), 2, path=path, resume=True, **settings | {"until_loss": 0.3})
    resumed = flowfa.simulate(problem(), 2, path=path, resume=True, **settings)
    for group in ("trajectory", "weights", "solver"):
        for name, values in whole.tree[group].to_dataset().variables.items():
            np.testing.assert_array_equal(resumed.tree[group][name].values, values.values)


def test_solvers_side_by_side_stop_too():
    from flowfa.solvers.choice import build_solver
    from flowfa.solvers.stepping.integration import Integration
    from flowfa.solvers.stepping.solve import solve
    from flowfa.solvers.stepping.stopping import Condition, Stopping

    flow = NetworkFlow(problem(), build_ensemble(problem(), 2, 0))
    conditions = (Condition("until_loss", LOSS),)
    times = []
    for by_rule in ({}, {"gd": "dopri5", "fa": "hybrid"}):
        solver = build_solver(
            "hybrid", by_rule, lambda inner: Stopping(inner, conditions), rtol=1e-5
        )
        run = Integration.begin(flow.initial, torch.tensor([0.0, 400.0], dtype=torch.float64))
        solve(flow.field, run, solver, lambda *_: None)
        assert run.status == [Status.LOSS_REACHED] * 4
        times.append(run.time.numpy())
    np.testing.assert_array_equal(times[0][2:], times[1][2:])
    np.testing.assert_allclose(times[0][:2], times[1][:2], rtol=1e-3)


def test_verdicts_on_a_stopped_run_are_given_and_a_moved_stop_is_violated():
    run = flowfa.simulate(problem(), 2, t_end=400.0, save=50, until_loss=LOSS)
    report = theory_checks.check(run, only=("C-1", "Eq-1", "record"))
    assert {finding.verdict.value for finding in report.findings} == {"holds"}
    weights = run.tree["weights"].to_dataset()
    weights["W2"].values[:, -1] *= 1.01
    run.tree["weights"] = xr.DataTree(weights)
    tampered = theory_checks.check(run, only=("record",))
    assert tampered.findings[0].verdict.value == "violated"


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"until_loss": 5.0}, "`until_loss` 5 is reached at the start of every trajectory of gd"),
        ({"until_alignment": 0.9}, "every trajectory of gd"),
        ({"until_loss": 0.0}, "positive"),
        ({"until_alignment": 1.0}, "below 1"),
        ({"until_gradient": -1.0}, "positive"),
    ],
)
def test_conditions_that_stop_nothing_or_all_at_once_are_refused(settings, fault):
    with pytest.raises(InputError, match=fault):
        flowfa.simulate(problem(), 2, **settings)


def test_the_command_line_says_what_stopped_where(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = "simulate --width 5 --trajectories 2 --plot none --seed 1 --until-loss 0.5"
    assert main(small.split()) == 0
    shown = capsys.readouterr().out
    assert "2 loss-reached" in shown
    assert "stopped where its loss reached --until-loss (0.5 at t = " in shown
    assert main(["info", "run.nc"]) == 0
    assert "until_loss = 0.5" in capsys.readouterr().out


def test_labels_in_files_are_those_of_the_statuses():
    statuses = (Status.LOSS_REACHED, Status.GRADIENT_REACHED, Status.ALIGNMENT_REACHED)
    assert tuple(status.label for status in statuses) == CONDITION_LABELS

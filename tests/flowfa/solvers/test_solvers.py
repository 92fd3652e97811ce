"""Every solver passes the shared template; adaptive ones do what the user asks."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

import flowfa
import theory_checks
from flowfa.datasets.dataset import Dataset
from flowfa.errors import InputError
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import Problem, build_ensemble
from flowfa.solvers.choice import choose
from flowfa.solvers.factory import FAMILIES, SOLVERS, SolverSettings
from flowfa.solvers.registry import is_registered, make_solver, solver_names
from flowfa.solvers.runge_kutta.methods import TABLEAUS
from flowfa.solvers.stepping.controller import Tolerance
from flowfa.solvers.stepping.integration import Integration
from flowfa.solvers.stepping.solve import solve
from flowfa.solvers.stepping.status import Status
from flowfa.testing import SolverTestCase
from flowfa.testing.fields import ForcedOscillators, Sliding
from flowfa.testing.solvers import Saved
from tests.support.nightly import some_now

ADAPTIVE = [n for n in TABLEAUS.names() if TABLEAUS.get(n).error_order is not None]
FIXED = [n for n in TABLEAUS.names() if TABLEAUS.get(n).error_order is None]


class TestBosh3(SolverTestCase):
    tolerance = 1e-4

    def make(self):
        return make_solver("bosh3", rtol=1e-6)


class TestDopri5(SolverTestCase):
    def make(self):
        return make_solver("dopri5", rtol=1e-8)


class TestDopri5IntegralController(SolverTestCase):
    def make(self):
        return make_solver("dopri5", rtol=1e-8, control="i")


class TestTsit5(SolverTestCase):
    def make(self):
        return make_solver("tsit5", rtol=1e-8)


class TestDop853(SolverTestCase):
    def make(self):
        return make_solver("dop853", rtol=1e-8)


class TestEuler(SolverTestCase):
    tolerance = 0.6
    recognises_blow_up = False

    def make(self):
        return make_solver("euler", step=0.001)


class TestHeun(SolverTestCase):
    tolerance = 2e-4
    recognises_blow_up = False

    def make(self):
        return make_solver("heun", step=0.002)


class TestRk4(SolverTestCase):
    tolerance = 1e-6
    recognises_blow_up = False

    def make(self):
        return make_solver("rk4", step=0.004)


class TestTorchdiffeqDopri5(SolverTestCase):
    tolerance = 1e-4
    recognises_blow_up = False

    def make(self):
        return make_solver("torchdiffeq:dopri5", rtol=1e-8, max_steps=2000)


def oscillators():
    field, initial = SolverTestCase.oscillators()
    return field, initial


def run_to(field, initial, solver, saves=2, end=3.0):
    run = Integration.begin(initial, torch.linspace(0.0, end, saves, dtype=torch.float64))
    saved = Saved(len(initial), saves, initial.shape[1])
    solve(field, run, solver, saved)
    return run, saved.states


@pytest.mark.parametrize("name", TABLEAUS.names())
def test_global_error_falls_with_the_order(name):
    """Fixed steps on a non-autonomous problem; an autonomous one cannot see a wrong node."""
    from flowfa.solvers.runge_kutta.solver import FixedStepRungeKutta

    field = ForcedOscillators(torch.tensor([2.0]).double(), torch.tensor([0.7]).double())
    initial = torch.tensor([[0.5, 1.0]], dtype=torch.float64)
    tableau = TABLEAUS.get(name)
    counts = np.array([8, 16]) if tableau.order >= 8 else np.array([32, 64])
    errors = []
    for count in counts:
        solver = FixedStepRungeKutta(tableau, 2.0 / count, 1000)
        run, _ = run_to(field, initial, solver, end=2.0)
        errors.append(float((run.state - field.exact(initial, run.save_times)[:, -1]).norm()))
    slope = np.log2(errors[0] / errors[1])
    assert slope == pytest.approx(tableau.order, abs=0.45)


@pytest.mark.parametrize("name", ADAPTIVE)
@pytest.mark.parametrize("control", some_now(["pi", "i"], ["pi"]))
def test_error_follows_the_tolerance(name, control):
    field, initial = oscillators()
    errors = []
    for rtol in (1e-4, 1e-7):
        run, _ = run_to(field, initial, make_solver(name, rtol=rtol, control=control))
        errors.append(float((run.state - field.exact(initial, run.save_times)[:, -1]).abs().max()))
    # A thousandth of the tolerance: at least a hundredth of the error, whatever the order.
    assert errors[1] < errors[0] / 100.0
    assert errors[1] < 1e-4


def test_trajectories_step_independently():
    field = ForcedOscillators(torch.tensor([1.0, 60.0]).double(), torch.zeros(2).double())
    initial = torch.ones(2, 2, dtype=torch.float64)
    run, _ = run_to(field, initial, make_solver("dopri5", rtol=1e-6))
    assert run.counters["steps"][1] > 5 * run.counters["steps"][0]
    assert (run.counters["evaluations"] >= 6 * run.counters["steps"]).all()


def test_finished_trajectories_leave_the_working_set():
    field = ForcedOscillators(torch.tensor([1.0, 60.0]).double(), torch.zeros(2).double())
    run = Integration.begin(torch.ones(2, 2).double(), torch.tensor([0.0, 3.0]).double())
    sizes = []

    def watch(run):
        sizes.append(len(run.working))

    solve(field, run, make_solver("dopri5"), lambda *_: None, watch)
    assert sizes[0] == 2 and sizes[-2] == 1 and sizes[-1] == 0


def test_fixed_steps_end_at_multiples_and_at_the_end():
    times = []

    class Clock(ForcedOscillators):
        def __call__(self, time, state):
            times.append(float(time[0]))
            return super().__call__(time, state)

        def select(self, rows):
            return self

    field = Clock(torch.ones(1).double(), torch.ones(1).double())
    run, _ = run_to(field, torch.ones(1, 2).double(), make_solver("euler", step=0.3), end=1.0)
    assert run.counters["steps"][0] == 4
    assert sorted(set(times)) == pytest.approx([0.0, 0.3, 0.6, 0.9, 1.0], rel=1e-15)


def test_running_out_of_steps_is_a_status_with_its_remedy():
    field, initial = oscillators()
    run, states = run_to(field, initial, make_solver("bosh3", rtol=1e-10, max_steps=20))
    assert run.status == [Status.MAX_STEPS] * 5
    assert "raise `max_steps`" in run.message(0)
    assert states[:, 1].isnan().all() and run.state.isfinite().all()


@pytest.mark.parametrize("name", some_now(ADAPTIVE, ["bosh3", "dop853"]))
def test_sliding_is_recognised_and_the_surface_named(name):
    """y_1' = -sign(y_1) + cos(t)/2: DOP853 of scipy takes 10^5 evaluations for a time of 5."""
    initial = torch.tensor([[0.2, 0.0]], dtype=torch.float64)
    run, _ = run_to(Sliding(), initial, make_solver(name, rtol=1e-6), end=50.0)
    assert run.status == [Status.CHATTERING]
    assert "the wall" in run.message(0) and "`step=H`" in run.message(0)
    assert run.counters["evaluations"][0] < 20_000
    assert abs(float(run.state[0, 0])) < 1e-3


@pytest.mark.parametrize("name", some_now(["bosh3", "dop853"], ["dop853"]))
def test_kinks_that_are_crossed_are_not_chattering(name):
    class Crossing(Sliding):
        def __call__(self, time, state):
            push = 2.0 * torch.cos(7.0 * time) + 0.1 * state[:, 0].sign()
            return torch.stack([push, torch.ones_like(push)], dim=1)

    run, states = run_to(
        Crossing(), torch.tensor([[0.0, 0.0]]).double(), make_solver(name, rtol=1e-8), 101, end=5.0
    )
    assert run.status == [Status.OK]
    assert int((states[0, 1:, 0] * states[0, :-1, 0] < 0.0).sum()) >= 5


@pytest.mark.parametrize(
    "rule", some_now(["gd", "fa", "adafa", "signfa", "dfa", "frsf"], ["gd", "signfa", "dfa"])
)
def test_network_flow_agrees_with_scipy(rule):
    """scipy's DOP853 at rtol 1e-10 in the user's coordinates, on smooth flows (alpha = 1)."""
    random = np.random.default_rng(3)
    data = Dataset(random.standard_normal((6, 8)) / 3.0, random.choice((-1.0, 1.0), 6))
    problem = Problem(data, (5, 4), 1.0, rule, "logistic")
    flow = NetworkFlow(problem, build_ensemble(problem, 2, seed=0))

    def velocity(t, y):
        single = flow.field.select(torch.tensor([1]))
        return single(torch.zeros(1), torch.tensor(y)[None])[0].numpy()

    oracle = solve_ivp(
        velocity, (0.0, 20.0), flow.initial[1].numpy(), "DOP853", rtol=1e-10, atol=1e-12
    )
    # A sign flip of signfa is a jump of the velocity: how a step falls on it makes the error differ
    # by a factor of four, and a tenth of the tolerance makes it ten times smaller.
    run, _ = run_to(flow.field, flow.initial, make_solver("dopri5", rtol=1e-10), end=20.0)
    np.testing.assert_allclose(run.state[1].numpy(), oracle.y[:, -1], rtol=0.0, atol=1e-7)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"name": "dopri"}, "did you mean 'dopri5'"),
        ({"name": "euler"}, "give its step"),
        ({"name": "dopri5", "step": 0.1}, "leave out `step`"),
        ({"name": "rk4", "step": -0.1}, "positive number"),
        ({"name": "rk4", "step": float("nan")}, "positive number"),
        ({"name": "dopri5", "rtol": 0.0}, "`rtol` is 0.0"),
        ({"name": "dopri5", "rtol": float("nan")}, "`rtol` is nan"),
        ({"name": "dopri5", "rtol": 1e-16}, "finer than float64"),
        ({"name": "dopri5", "atol": -1.0}, "`atol` is -1.0"),
        ({"name": "dopri5", "control": "p"}, "controller"),
        ({"name": "dopri5", "max_steps": 0}, "at least 1"),
        ({"name": "torchdiffeq:dopri4"}, "did you mean 'dopri8'"),
        ({"name": "torchdiffeq:rk4"}, "give `step=H`"),
    ],
)
def test_unusable_solver_settings_are_refused(arguments, told):
    with pytest.raises(InputError, match=told):
        make_solver(**arguments)


def test_auto_takes_high_order_only_where_the_flow_is_smooth():
    data = flowfa.datasets.gaussian(samples=4, dim=3)
    shallow, deep = flowfa.Problem(data, (5,)), flowfa.Problem(data, (5, 4))
    assert choose("auto", flowfa.Problem(data, (5,), leak=1.0)).name == "dop853"
    assert choose("auto", shallow).name == "hybrid"
    assert choose("auto", deep).name == "event"
    assert choose("auto", deep, dtype="float32").name == "bosh3"
    assert choose("auto", shallow, dtype="float32").name == "bosh3"
    assert choose("auto", shallow, rtol=1e-12).name == "bosh3"
    assert choose("rk4", shallow).name == "rk4"


# --- solvers of one's own -------------------------------------------------------------------------


class Midpoint:
    """The explicit midpoint rule, as simply as a solver can be written."""

    name = "midpoint-rule"

    def __init__(self, settings):
        self.step = settings.fixed_step(self.name)

    def start(self, field, run):
        del run.memory["velocity"]

    def advance(self, field, run, save):
        memory = run.memory
        while run.working.numel() and int(run.next_save[int(run.working[0])]) < len(run.save_times):
            index = int(run.next_save[int(run.working[0])])
            length = float(run.save_times[index] - run.save_times[index - 1])
            count = max(1, round(length / self.step))
            for _ in range(count):
                half = memory["state"] + length / count / 2 * field(memory["time"], memory["state"])
                middle = memory["time"] + length / count / 2
                memory["state"] = memory["state"] + length / count * field(middle, half)
                memory["time"] = memory["time"] + length / count
            memory["time"] = torch.full_like(memory["time"], float(run.save_times[index]))
            save(run.working, torch.full_like(run.working, index), memory["state"])
            run.next_save[run.working.numpy()] += 1
        run.retire({place: (Status.OK, "") for place in range(len(run.working))})


@pytest.fixture
def registered_midpoint():
    flowfa.solver(Midpoint.name)(Midpoint)
    yield
    SOLVERS.forget(Midpoint.name)


def small_problem():
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=0)
    return flowfa.Problem(data, (3,), leak=1.0, rule=("gd", "fa"))


def test_a_registered_solver_is_found_by_name_and_checked(registered_midpoint, tmp_path):
    options = {"t_end": 1.0, "save": 5, "step": 0.01}
    named = flowfa.simulate(small_problem(), 2, solver="midpoint-rule", **options)
    expected = flowfa.simulate(small_problem(), 2, solver="dopri5", rtol=1e-10, t_end=1.0, save=5)
    np.testing.assert_allclose(
        named.tree["trajectory"]["loss"], expected.tree["trajectory"]["loss"], rtol=1e-4
    )
    assert theory_checks.check(named, only=["C-1"])["C-1"].verdict is theory_checks.Verdict.HOLDS
    assert "midpoint-rule" in solver_names()
    with pytest.raises(InputError, match="midpoint-rule is a fixed-step solver"):
        make_solver("midpoint-rule")
    with pytest.raises(InputError, match="the solver name 'midpoint-rule' is taken"):
        flowfa.solver("midpoint-rule")(lambda settings: None)


def test_a_solver_object_is_taken_as_it_is_and_its_name_recorded():
    settings = SolverSettings(Tolerance(1e-4, 1e-6), 0.01, "pi", 1000)
    run = flowfa.simulate(small_problem(), 2, solver=Midpoint(settings), t_end=1.0, save=5)
    config = json.loads(run.tree.attrs["config"])
    assert (config["solver"], config["solver_reason"]) == ("midpoint-rule", "asked for")
    with pytest.raises(InputError, match=r"solver 'midpoint-rule', which is not registered here"):
        theory_checks.check(run)


@pytest.mark.parametrize(
    ("given", "told"),
    [(3, "has no 'name'"), (Midpoint, "has no 'advance'")],
)
def test_what_is_no_solver_is_refused_in_one_line(given, told):
    if given is Midpoint:
        given = type("Half", (), {"name": "half", "start": lambda *_: None})()
    with pytest.raises(InputError, match=f"`solver` is .*{told}"):
        flowfa.simulate(small_problem(), 1, solver=given)


def test_every_built_in_solver_has_an_entry_of_its_own():
    built_in = {"hybrid", "event", *TABLEAUS.names(), "gauss2", "gauss4", "gauss6"}
    assert built_in <= set(SOLVERS.names()) and FAMILIES.names() == ("torchdiffeq",)
    for name in SOLVERS.names():
        fixed = name in FIXED
        assert make_solver(name, step=0.1 if fixed else None).name == name
    assert not is_registered("torchdiff:dopri5") and is_registered("torchdiffeq:dopri5")

"""A subclass with feedback of its own is integrated by that feedback, whatever stands beside it."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

import flowfa
import theory_checks
from flowfa.errors import InputError, Interrupted
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems.rules import FeedbackAlignment, GradientDescent
from flowfa.solvers.choice import choose
from flowfa.solvers.stepping.status import Status
from tests.support.nightly import some_now
from tests.support.rules import Doubled, DoubledForm
from tests.support.watching import stops_after
from theory_checks.verdicts.verdict import Verdict


@flowfa.rule("test-doubled")
class RegisteredDoubled(Doubled):
    """Out of form, and known by name, so that its results can be checked."""


DATA = flowfa.datasets.gaussian(samples=8, dim=4, seed=1)


def _problem(*rules, leak=0.2):
    return flowfa.Problem(DATA, widths=(6,), leak=leak, rule=rules, initial="xavier")


def _final(run, row):
    return {name: run.tree["weights"][name].values[row, -1] for name in ("W1", "W2")}


@functools.cache
def _by_scipy(rule):
    """Return weights at time 1 by scipy, which asks nobody for a form."""
    problem = _problem(rule if isinstance(rule, str) else rule())
    flow = NetworkFlow(problem, flowfa.problems.build_ensemble(problem, 1, 0))
    time = torch.zeros(1)

    def velocity(_, state):
        return flow.field(time, torch.from_numpy(state)[None])[0].numpy()

    path = solve_ivp(velocity, (0.0, 1.0), flow.initial[0].numpy(), rtol=1e-8, atol=1e-10)
    parameters = flow.parameters(torch.from_numpy(path.y[:, -1])[None], torch.arange(1))
    return {name: value[0].numpy() for name, value in parameters.items()}


@pytest.mark.parametrize("solver", ["auto", "bosh3", "dopri5"])
def test_it_is_integrated_by_its_feedback(solver):
    run = flowfa.simulate(_problem(Doubled()), 1, t_end=1.0, rtol=1e-6, solver=solver, save=5)
    expected, of_parent = _by_scipy(Doubled), _by_scipy("fa")
    for name, value in _final(run, 0).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-4)
    assert np.abs(of_parent["W1"] - expected["W1"]).max() > 0.1


@pytest.mark.parametrize("solver", ["hybrid", "event"])
def test_solvers_that_need_a_form_refuse_it_in_one_line(solver):
    with pytest.raises(InputError, match=r"'doubled' has no form .* take `solver=") as refused:
        flowfa.simulate(_problem(Doubled()), 2, t_end=1.0, solver=solver)
    assert "\n" not in str(refused.value)


def test_a_subclass_with_a_form_of_its_own_is_followed_by_hybrid():
    problem = _problem(DoubledForm())
    assert choose("auto", problem).name == "hybrid"
    run = flowfa.simulate(problem, 2, t_end=1.0, rtol=1e-6, save=5)
    other = flowfa.simulate(_problem(Doubled()), 2, t_end=1.0, rtol=1e-7, solver="dopri5", save=5)
    for name, value in _final(run, 1).items():
        np.testing.assert_allclose(value, _final(other, 1)[name], atol=1e-5)


def test_checks_do_not_call_its_law_violated():
    run = flowfa.simulate(_problem(RegisteredDoubled(), "gd"), 2, t_end=2.0, rtol=1e-6, save=9)
    report = theory_checks.check(run, ["C-1", "Eq-1"])
    assert [finding.verdict for finding in report.findings] == [Verdict.HOLDS] * 2


def test_auto_chooses_for_each_rule_and_says_why():
    choice = choose("auto", _problem("gd", Doubled(), "fa"))
    assert choice.by_rule == {"gd": "hybrid", "doubled": "bosh3", "fa": "hybrid"}
    assert (
        choice.reason.startswith("hybrid for gd, fa (") and "bosh3 for doubled (" in choice.reason
    )
    assert "\n" not in choice.reason


def test_gd_slides_beside_it_to_the_end():
    """It left the hybrid solver for the sake of the other rule, and chattered."""
    data = flowfa.datasets.gaussian(samples=8, dim=2, seed=0)
    problem = flowfa.Problem(data, (4,), leak=0.0, rule=("gd", Doubled()), loss="squared")
    run = flowfa.simulate(problem, 4, t_end=20.0, save=3, max_steps=400)
    assert run.statuses[:4] == ["ok"] * 4
    assert run.tree.children["solver"].to_dataset()["slidings"].values[:4].max() > 0


def test_no_remedy_sends_a_rule_out_of_form_to_a_solver_that_refuses_it():
    """Chattering named the hybrid solver, which named the solver that had chattered."""
    chattering = Status.CHATTERING.value
    assert "hybrid" not in chattering.partition("else")[2]
    assert "a rule that states the form of its feedback, else" in chattering
    with pytest.raises(InputError, match="`smooth_kinks=EPS` where neurons slide") as refused:
        choose("hybrid", _problem("gd", Doubled()))
    assert "bosh3" not in str(refused.value)
    rules = ("gd", Doubled())
    smoothed = flowfa.Problem(DATA, widths=(6,), leak=0.2, rule=rules, smooth_kinks=1e-2)
    assert not flowfa.simulate(smoothed, 1, t_end=0.1, save=3).failed
    stepped = flowfa.simulate(_problem(*rules), 1, t_end=0.1, save=3, solver="euler", step=0.01)
    assert not stepped.failed


def test_auto_takes_bosh3_where_no_rule_is_in_form():
    choice = choose("auto", _problem(Doubled()))
    assert choice.name == "bosh3" and not choice.by_rule
    assert "'doubled' has no form" in choice.reason


def test_the_solver_of_each_rule_is_recorded():
    run = flowfa.simulate(_problem("gd", Doubled()), 1, t_end=1.0, save=3)
    configuration = json.loads(run.tree.attrs["config"])
    assert configuration["solver"] == "hybrid + bosh3"
    assert configuration["solver_by_rule"] == {"gd": "hybrid", "doubled": "bosh3"}
    alone = json.loads(flowfa.simulate(_problem("gd"), 1, t_end=1.0, save=3).tree.attrs["config"])
    assert "solver_by_rule" not in alone


def _same(one, other, rows, other_rows):
    """Assert that trajectories have the same numbers, bit for bit."""
    for group in ("trajectory", "neurons", "solver", "weights"):
        for name, variable in one.tree[group].to_dataset(inherit=False).data_vars.items():
            if "trajectory" in variable.dims and variable.dtype.kind in "fi" and name != "B2":
                here, there = variable.values[rows], other.tree[group][name].values[other_rows]
                np.testing.assert_array_equal(here, there, err_msg=f"{group}/{name}")


def test_rules_in_form_have_the_numbers_that_they_have_alone():
    settings = {"t_end": 5.0, "rtol": 1e-5, "save": 11}
    together = flowfa.simulate(_problem("gd", Doubled(), "fa"), 2, **settings)
    _same(
        together, flowfa.simulate(_problem("gd", "fa"), 2, **settings), [0, 1, 4, 5], [0, 1, 2, 3]
    )
    _same(together, flowfa.simulate(_problem(Doubled()), 2, **settings), [2, 3], [0, 1])


SETTINGS = {"t_end": 5.0, "rtol": 1e-5, "save": 11}


@functools.cache
def _whole():
    return flowfa.simulate(_problem("gd", RegisteredDoubled()), 2, **SETTINGS)


# Before the first trajectory has ended, and when those of one solver have.
@pytest.mark.parametrize("updates", some_now([3, 40], [40]))
def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path, updates):
    problem = _problem("gd", RegisteredDoubled())
    path = tmp_path / "run.nc"
    stop = stops_after(updates)
    with pytest.raises(Interrupted):
        flowfa.simulate(problem, 2, path=path, progress=stop, **SETTINGS)
    assert 0.0 < stop.states[-1].share < 1.0
    resumed = flowfa.simulate(problem, 2, path=path, resume=True, **SETTINGS)
    _same(resumed, _whole(), [0, 1, 2, 3], [0, 1, 2, 3])


def test_a_broken_start_beside_others_leaves_them_alone():
    arrays = {"W1": np.ones((2, 3, 4)), "W2": np.ones((2, 1, 3))}
    arrays["W1"][1, 0, 0] = np.nan
    start = flowfa.problems.starts.given_start(arrays)
    problem = flowfa.Problem(DATA, leak=0.2, rule=("gd", Doubled()), initial=start)
    run = flowfa.simulate(problem, t_end=1.0, save=3)
    assert run.statuses == ["ok", "non-finite", "ok", "non-finite"]


class _Unnamed(FeedbackAlignment):
    def feedback(self, layer, weight, kept):
        return 2.0 * kept[f"B{layer}"]


@pytest.mark.parametrize("run", ["simulate", "train"])
def test_a_record_calls_it_by_its_own_name_and_not_by_that_of_its_parent(run):
    settings = {"t_end": 1.0} if run == "simulate" else {"rate": 0.1, "steps": 2}
    record = getattr(flowfa, run)(_problem(_Unnamed()), 1, **settings)
    assert json.loads(record.tree.attrs["config"])["rule"] == ["_Unnamed"]


@pytest.mark.parametrize("run", ["simulate", "train"])
def test_feedback_replaced_in_the_object_alone_is_refused(run):
    rule = GradientDescent()
    rule.feedback = lambda layer, weight, kept: 2.0 * weight.transpose(1, 2)
    settings = {"t_end": 1.0} if run == "simulate" else {"rate": 0.1, "steps": 2}
    with pytest.raises(InputError, match="would be recorded as 'gd'"):
        getattr(flowfa, run)(_problem(rule), 1, **settings)

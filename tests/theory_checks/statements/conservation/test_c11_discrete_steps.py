"""C-11: what discrete steps add to the conserved quantities, to rounding, and its controls."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import flowfa
import theory_checks
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems.rules import RULES as RULE_CLASSES
from flowfa.problems.rules import FeedbackAlignment, FeedbackForm
from flowfa.training import Minibatches, Schedule, StepRule, strides
from flowfa.training import law as increments
from tests.support.nightly import some_now
from tests.support.rules import Mixed
from theory_checks import Verdict, check_evidence, evidence_of_flow, evidence_of_run
from theory_checks.controls.flows import small_ensemble, small_flow, small_problem
from theory_checks.controls.steps import moved_otherwise, small_training
from theory_checks.statements.conservation.c11_discrete_steps import StepConservation
from theory_checks.testing import CheckTestCase
from theory_checks.verdicts.judging import outcomes_of

RULES = ("gd", "fa", "adafa", "signfa", "frsf", "dfa", "kolen-pollack", "low-rank-fa")


class TestStepConservation(CheckTestCase):
    def make(self):
        return StepConservation()

    def evidence(self, problem, ensemble):
        return small_training(problem, ensemble, {"rate": (0.2, 0.05), "momentum": 0.3})

    def inapplicable(self):
        problem = small_problem("brsf")
        run = flowfa.train(problem, 2, steps=5)
        return {
            "the feedback has the form": evidence_of_run(run),
            "takes discrete steps": evidence_of_flow(small_flow("fa"), t_end=1.0),
        }

    def verdicts(self, evidence):
        # Two rates for each start; starts in reverse give pairs in reverse.
        outcomes = outcomes_of(self.make(), evidence)
        return [outcome.verdict for outcome in outcomes]

    def test_what_is_not_a_number_is_inconclusive(self):
        evidence = self.sound_evidence()
        broken = evidence.initial.clone()
        broken[0] = torch.nan
        evidence = dataclasses.replace(evidence, initial=broken)
        verdicts = self.verdicts(evidence)
        assert verdicts[0] in (Verdict.INCONCLUSIVE, Verdict.NOT_APPLICABLE)
        assert set(verdicts[1:]) == {Verdict.HOLDS}


def drift_and_prediction(rule, steps=1000, seed=0, **more):
    """Return C(k) - C(0) by the law of each neuron, the sum of predicted steps, and the terms."""
    data = flowfa.datasets.gaussian(samples=12, dim=5, seed=3)
    problem = flowfa.Problem(data, (8, 4), rule=rule, bias="all", initial="xavier", loss="logistic")
    ensemble = small_ensemble(problem, 2)
    flow = NetworkFlow(problem, ensemble, reduce=False)
    rates = torch.tensor([0.5, 0.02], dtype=torch.float64)
    momentum = torch.full((2,), more.pop("momentum", 0.0), dtype=torch.float64)
    field = flow.field.replace(
        weight_decay=more.pop("weight_decay", ()), rates=more.pop("layer_rates", ())
    )
    stepping = StepRule(rates, momentum, torch.tensor(flow.starts), **more)
    here = increments.terms(field, flow.initial)
    first, size, total, carried = here.law, here.size, torch.zeros_like(here.law), None
    flips = 0
    for stride in strides(stepping, field, flow.initial, steps):
        after = increments.terms(field, stride.after)
        change, carried = increments.change(
            field, stepping, stride.step, here, after, stride.increment, carried
        )
        flips += sum(
            int((new.sign() != old.sign()).sum())
            for new, old in zip(after.weights, here.weights, strict=True)
        )
        total, size, here = total + change, torch.maximum(size, after.size), after
    return here.law - first, total, size, flips


@pytest.mark.parametrize("rule", [*some_now(RULES, ["adafa", "signfa", "dfa"]), Mixed()])
def test_thousand_steps_add_what_the_formula_says_to_rounding(rule):
    actual, predicted, size, flips = drift_and_prediction(rule)
    if rule == "dfa":
        actual, predicted, size = (each[:, -4:] for each in (actual, predicted, size))
    assert float(predicted.abs().max()) > 1e-3
    assert float(((actual - predicted).abs() / size).max()) < 1e-12
    assert flips > 0 or rule != "signfa"


@pytest.mark.parametrize("rule", ("fa", "gd", "signfa", "kolen-pollack", Mixed()))
def test_momentum_schedule_decay_rates_and_minibatches_are_in_the_formula(rule):
    actual, predicted, size, _ = drift_and_prediction(
        rule,
        steps=300,
        momentum=0.8,
        schedule=Schedule(2.0, at=(50, 170)),
        weight_decay=(0.02, 0.05, 0.01),
        layer_rates=(1.0, 0.5, 2.0),
        minibatches=Minibatches(samples=12, size=5, starts=2, seed=4),
    )
    assert float(((actual - predicted).abs() / size).max()) < 1e-12


def test_rows_of_the_list_of_the_theory_are_the_formula():
    """Three rows of C-11 as the list writes them, at one step from a random state."""
    for rule in ("fa", "gd", "signfa"):
        flow = small_flow(rule)
        layout, eta = flow.layout, 0.3
        rates = torch.full((3,), eta, dtype=torch.float64)
        stepping = StepRule(rates, torch.zeros_like(rates), torch.tensor(flow.starts))
        stride = next(strides(stepping, flow.field, flow.initial))
        before, after = (increments.terms(flow.field, s) for s in (stride.before, stride.after))
        found, _ = increments.change(flow.field, stepping, 0, before, after, stride.increment, None)
        update, last = layout.views(stride.update), layout.views(stride.after)
        first = layout.views(stride.before)["W3"]
        half = 0.5 * eta**2 * update["W2"].square().sum(2)
        if rule == "gd":
            half = half - 0.5 * eta**2 * update["W3"].square().sum(1)
        if rule == "signfa":
            half = half - (last["W3"].abs() - first.sign() * last["W3"]).sum(1)
        assert torch.allclose(found[:, 4:], half, rtol=1e-12, atol=1e-16)


def test_a_form_that_is_not_that_of_the_rule_is_called_violated(monkeypatch):
    """Steps and prediction have the mistake alike: the table of C-1 is written apart from them."""

    def form(self, layer, shape, kept):
        return FeedbackForm(fixed=1.001 * kept[f"B{layer}"])

    def judged():
        problem = small_problem("fa")
        evidence = small_training(problem, small_ensemble(problem), {"rate": 0.2})
        return check_evidence(evidence, [StepConservation()])["C-11"].verdict

    assert judged() is Verdict.HOLDS
    monkeypatch.setattr(FeedbackAlignment, "form", form)
    assert judged() is Verdict.VIOLATED


def wrong_factor(true):
    def change(field, rule, step, before, after, increment, carried):
        right, carried = true(field, rule, step, before, after, increment, carried)
        squares = increments.incoming_squares(field.layout, increment)
        return right - 0.5 * squares + squares / rule.rate.double()[:, None], carried

    return change


def without_memory(true):
    def change(field, rule, step, before, after, increment, carried):
        return true(field, rule, step, before, after, increment, None)

    return change


@pytest.mark.parametrize("wrong", (wrong_factor, without_memory))
def test_wrong_formula_is_called_violated(monkeypatch, wrong):
    problem = small_problem("fa")
    evidence = small_training(problem, small_ensemble(problem), {"rate": 0.2, "momentum": 0.5})
    assert check_evidence(evidence, [StepConservation()])["C-11"].verdict is Verdict.HOLDS
    monkeypatch.setattr(increments, "change", wrong(increments.change))
    assert check_evidence(evidence, [StepConservation()])["C-11"].verdict is Verdict.VIOLATED


def test_file_of_all_rules_holds_and_checks_of_flows_do_not_apply(tmp_path):
    data = flowfa.datasets.gaussian(samples=9, dim=20, seed=0).weighted(np.arange(9.0))
    # What a rule learns would decay too.
    rules = [rule for rule in RULES if not RULE_CLASSES.get(rule).learned]
    problem = flowfa.Problem(
        data,
        (6,),
        rule=rules,
        bias="hidden",
        initial="xavier",
        weight_decay=(1e-3, 3e-3),
        layer_rates=(0.5, 2.0),
    )
    path = tmp_path / "run.nc"
    flowfa.train(
        problem,
        2,
        rate=(0.1, 0.03),
        steps=60,
        save=13,
        path=path,
        batch_size=4,
        momentum=0.5,
        schedule="3@20",
    )
    report = theory_checks.check(path)
    assert report["C-11"].trajectories == {"holds": 2 * 2 * len(rules)}, str(report)
    others = [finding for finding in report.findings if finding.spec != "C-11"]
    assert {finding.verdict for finding in others} == {Verdict.NOT_APPLICABLE}
    assert all("the run is a flow" in str(finding.failed_hypothesis) for finding in others)
    assert report.exit_code == 0


def test_diverged_trajectories_are_checked_as_far_as_they_got():
    problem = flowfa.Problem(
        flowfa.datasets.gaussian(samples=6, dim=4, seed=0), (5,), rule="fa", loss="squared"
    )
    run = flowfa.train(problem, 2, rate=(0.05, 50.0), steps=2000, save=20)
    assert run.statuses == ["ok", "diverged"] * 2
    report = theory_checks.check(run, only=["C-11"])
    assert report["C-11"].verdict is Verdict.HOLDS, str(report)


def test_float32_has_too_few_digits_to_hold_but_is_not_called_violated():
    run = flowfa.train(small_problem("fa"), 2, rate=1e-3, steps=20, dtype="float32")
    assert theory_checks.check(run, only=["C-11"])["C-11"].verdict is Verdict.INCONCLUSIVE


def test_control_that_is_what_it_claims_holds():
    """The controls are violated for what they do, not for how they are made."""
    finding = check_evidence(moved_otherwise("fa", rate=0.2)(), [StepConservation()]).findings[0]
    assert finding.verdict is Verdict.HOLDS
    assert np.isfinite(finding.margin)

"""A rule in form is drawn by random problems and tried by the falsifier once it is registered."""

from __future__ import annotations

import pytest
from hypothesis import find, settings

import flowfa
from flowfa.problems.rules import RULES
from tests.support.rules import Mixed
from theory_checks import Verdict, check_evidence, chosen
from theory_checks.falsify import along
from theory_checks.random_problems import START_KINDS, Architecture, Plan, build, plans, rule_names

FEW = settings(max_examples=200, derandomize=True, database=None)


@pytest.fixture
def registered_rule():
    """The name of a rule of one's own, which is known for the time of a test."""

    @flowfa.rule("test-mixed")
    class Registered(Mixed):
        pass

    along._shapes.cache_clear()
    yield "test-mixed"
    del RULES._entries["test-mixed"]
    along._shapes.cache_clear()


def test_rules_in_form_are_drawn():
    assert {"kolen-pollack", "low-rank-fa", "low-rank-dfa"} <= set(rule_names())
    assert "brsf" not in rule_names()


def test_rules_that_move_their_feedback_are_drawn():
    assert {"kolen-pollack-decay", "weight-mirror"} <= set(rule_names())
    # Its feedback stays, and has no form.
    assert "drtp" not in rule_names()


def test_a_registered_rule_is_drawn(registered_rule):
    assert find(plans(networks=1), lambda plan: plan.rule == registered_rule, settings=FEW)


def test_no_law_is_violated_on_random_problems_of_a_registered_rule(registered_rule):
    plan = Plan(
        seed=1,
        architecture=Architecture((3,), "hidden", 0.3),
        rule=registered_rule,
        scale=1.0,
        loss="squared",
        outputs=2,
        samples=3,
        dim=4,
        data=("gaussian",),
        start=tuple(START_KINDS),
        data_scale=1.0,
        horizon=1.0,
        smooth_kinks=None,
        networks=len(START_KINDS),
    )
    problems = build(plan)
    assert problems.solver() == "hybrid"
    report = check_evidence(problems.evidence(), chosen(("C-1", "Eq-1")))
    assert [finding.verdict for finding in report.findings] == [Verdict.HOLDS] * 2, str(report)


def test_the_program_of_a_problem_makes_its_rule(registered_rule):
    plan = find(plans(networks=1), lambda plan: plan.rule == registered_rule, settings=FEW)
    program = build(plan).snippet("C-1")
    assert "rule=rules.RULES.get('test-mixed')(0.5, 0.4)," in program


def test_the_falsifier_tries_a_registered_rule(registered_rule, monkeypatch):
    # Whether a statement speaks of a kind of problem is measured for each, which takes a minute.
    monkeypatch.setattr(along, "_speaks_of", lambda name, drop, shape: True)
    shapes = along.CheckClaim("C-1").shapes(frozenset())
    assert {registered_rule, "kolen-pollack"} <= {shape.rule for shape in shapes}

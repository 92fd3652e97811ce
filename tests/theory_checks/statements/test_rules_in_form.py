"""The statements of conservation on rules that have no row in C-1's table, but a form (C-12)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import flowfa
import theory_checks
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems.rules import RULES
from tests.support.rules import Mixed
from theory_checks import Verdict, check_evidence, chosen, evidence_of_flow
from theory_checks.controls import broken
from theory_checks.controls.flows import small_ensemble, small_problem
from theory_checks.evidence.networks import Networks
from theory_checks.statements.conservation.laws import neuron_law

IN_FORM = ("kolen-pollack", "low-rank-fa")


def _flow(rule, *rest):
    problem = small_problem(rule, *rest)
    return NetworkFlow(problem, small_ensemble(problem))


@pytest.mark.parametrize(("bias", "leak"), [("none", 0.3), ("hidden", 1.0)])
@pytest.mark.parametrize("rule", [*IN_FORM, Mixed()])
def test_laws_hold(rule, bias, leak):
    evidence = evidence_of_flow(_flow(rule, bias, leak), t_end=1.0, rtol=1e-6, saves=9)
    report = check_evidence(evidence, chosen(("C-1", "C-3")))
    assert report["C-1"].verdict is report["C-3"].verdict is Verdict.HOLDS, str(report)


@pytest.mark.parametrize("rule", [*IN_FORM, Mixed()])
def test_the_law_of_the_checks_is_what_the_rule_claims(rule):
    """Two writings of each law, the rule's own and the check's, agree at random states."""
    flow = _flow(rule, "all")
    rows = torch.arange(len(flow))
    noise = np.random.default_rng(0).standard_normal(flow.initial.shape)
    states = flow.initial + torch.tensor(noise)
    networks = Networks(flow.field, states, flow.span.outside_norm2, torch.zeros(len(flow)))
    claimed = flow.observe(states, rows)["conserved"]
    torch.testing.assert_close(neuron_law(networks), claimed, rtol=1e-13, atol=0.0)


@pytest.mark.parametrize("way", ["weight decay", "drifting feedback"])
def test_motion_that_breaks_the_law_is_called_violated(way):
    evidence = broken("kolen-pollack", way, leak=1.0)()
    assert check_evidence(evidence, chosen(("C-1",)))["C-1"].verdict is Verdict.VIOLATED


def test_what_the_rule_claims_of_itself_does_not_count():
    """The law of a form is written out by the check; `conserved` of the rule is not asked."""

    class WrongClaim(Mixed):
        def conserved(self, layer, incoming, out_weight, kept):
            return 0.5 * incoming

    evidence = evidence_of_flow(_flow(WrongClaim()), t_end=1.0, rtol=1e-6, saves=9)
    assert check_evidence(evidence, chosen(("C-1",)))["C-1"].verdict is Verdict.HOLDS


@pytest.mark.parametrize("rule", IN_FORM)
def test_neurons_that_slide_conserve_too(rule):
    assert rule in RULES.names()
    data = flowfa.datasets.gaussian(samples=10, dim=6, seed=1)
    problem = flowfa.Problem(data, (8,), rule=rule, bias="all", initial="xavier")
    run = flowfa.simulate(problem, 2, t_end=4.0, rtol=1e-5, save=10)
    assert int(run.tree["solver"]["slidings"].values.sum()) > 5
    report = theory_checks.check(run, only=["C-1", "C-2"])
    assert report["C-1"].verdict is report["C-2"].verdict is Verdict.HOLDS

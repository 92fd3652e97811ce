"""A-2: alignment dominance, its mu and the gamma that fits, against formulas of one neuron."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import flowfa
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems.ensemble import build_ensemble
from flowfa.problems.starts import given_start
from tests.support.known_losses import burst, one_neuron
from theory_checks import Verdict, check_evidence, evidence_of_flow
from theory_checks.controls.flows import small_ensemble, small_problem
from theory_checks.statements.convergence import a2_alignment_dominance
from theory_checks.statements.convergence.a2_alignment_dominance import Dominance
from theory_checks.testing import CheckTestCase


class TestDominance(CheckTestCase):
    t_end = 0.5

    def make(self):
        return Dominance()

    def problem(self):
        return small_problem("fa", widths=(4,), loss="exponential")

    def inapplicable(self):
        frsf = small_problem("frsf", widths=(4,), loss="exponential")
        deep = small_problem("fa", loss="exponential")
        biased = small_problem("fa", bias="hidden", widths=(4,), loss="exponential")
        relu = small_problem("signfa", leak=0.0, widths=(4,), loss="exponential")
        other = small_problem("adafa", widths=(4,))
        problems = {
            "one of P-2": frsf,
            "one hidden layer": deep,
            "no layer has a bias": biased,
            "leak > 0": relu,
            "the loss is exponential": other,
        }
        return {text: self.evidence(p, small_ensemble(p)) for text, p in problems.items()}


def estimates(finding):
    return {each.name: each for each in finding.estimates}


def test_dominance_of_one_neuron_is_what_its_formula_says():
    """gd on exp(-a w) with a = w: <grad, G> = 2 a^2 e^2 with e = exp(-a^2), so mu = 2 at t = 0.

    For gamma = 1 the ratio 2 u e falls, u = a^2, and mu is its last value; du/dt = 2 u e.
    """
    evidence = evidence_of_flow(one_neuron("exponential"), t_end=3.0, rtol=1e-9, saves=31)
    found = estimates(check_evidence(evidence, [Dominance()])["A-2"])
    u = solve_ivp(lambda t, u: 2.0 * u * np.exp(-u), (0, 3), [1.0], rtol=1e-11, atol=1e-13).y[0, -1]
    assert found["mu for gamma = 2"].values[0] == pytest.approx(2.0, abs=1e-7)
    assert found["mu for gamma = 2"].times == (0.0,)
    assert found["mu for gamma = 1"].values[0] == pytest.approx(2.0 * u * math.exp(-u), rel=1e-6)
    assert found["mu for gamma = 1"].times == (3.0,)


def test_gamma_that_fits_is_that_of_the_loss():
    """Near interpolation a squared loss has <grad, G> = (a^2 + w^2) 2 e: gamma = 1."""
    data = flowfa.datasets.Dataset(np.ones((1, 1)), np.array([[2.0]]), "one sample")
    start = given_start({"W1": np.array([[[1.0]]]), "W2": np.array([[[1.0]]])}, "start")
    problem = flowfa.Problem(data, leak=1.0, rule="gd", loss="squared", initial=start)
    flow = NetworkFlow(problem, build_ensemble(problem, 1, seed=0))
    evidence = evidence_of_flow(flow, t_end=4.0, rtol=1e-10, saves=41)
    gamma = estimates(check_evidence(evidence, [Dominance()])["A-2"])["gamma"]
    assert abs(gamma.values[0] - 1.0) <= gamma.uncertainties[0] + 1e-3
    assert gamma.uncertainties[0] < 0.02


def test_estimates_are_given_where_the_statement_does_not_apply():
    problem = small_problem("dfa")
    evidence = evidence_of_flow(NetworkFlow(problem, small_ensemble(problem)), t_end=1.0, saves=9)
    finding = check_evidence(evidence, [Dominance()])["A-2"]
    assert finding.verdict is Verdict.NOT_APPLICABLE and finding.margin is None
    assert all(np.isfinite(estimates(finding)["mu for gamma = 1"].values))


def test_estimate_of_mu_knows_of_a_burst_between_the_times():
    found = estimates(check_evidence(burst(0.2), [Dominance()])["A-2"])["mu for gamma = 1"]
    assert found.values[0] < -0.1 and found.times[0] == pytest.approx(0.24, abs=0.005)


def test_burst_that_stays_unseen_leaves_mu_open(monkeypatch):
    """Where the intervals are not halved often enough, only the least height of it is known."""
    monkeypatch.setattr(a2_alignment_dominance, "REFINEMENTS", 0)
    found = estimates(check_evidence(burst(0.5), [Dominance()])["A-2"])["mu for gamma = 1"]
    assert found.values[0] > 0.0 and math.isinf(found.uncertainties[0])

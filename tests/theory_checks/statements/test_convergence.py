"""A-2 and T-1: alignment dominance, and the bound on the loss that follows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

import flowfa
from flowfa.errors import InputError
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems.ensemble import build_ensemble
from flowfa.problems.starts import given_start
from theory_checks import Verdict, check_evidence, evidence_of_flow, outcomes
from theory_checks.controls.flows import small_ensemble, small_problem
from theory_checks.statements.convergence import dominance
from theory_checks.statements.convergence.a2_dominance import Dominance
from theory_checks.statements.convergence.t1_decay import Decay, log_bound
from theory_checks.statements.rate.eq1_rate import mean_loss
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


class TestDecay(CheckTestCase):
    def make(self):
        return Decay()


def one_neuron(loss, rule="gd", feedback=1.0, samples=1):
    """Return the flow of f = a w x with x = y = 1 and a = w = 1: all of it is known."""
    data = flowfa.datasets.Dataset(np.ones((samples, 1)), np.ones(samples), "one sample")
    arrays = {"W1": np.array([[[1.0]]]), "W2": np.array([[[1.0]]])}
    if rule == "fa":
        arrays["B2"] = np.array([[[feedback]]])
    start = given_start(arrays, "start")
    problem = flowfa.Problem(data, leak=1.0, rule=rule, loss=loss, initial=start)
    return NetworkFlow(problem, build_ensemble(problem, 1, seed=0))


def estimates(finding):
    return {each.name: each for each in finding.estimates}


@pytest.mark.parametrize("gamma", [0.5, 1.0, 1.5, 2.0])
def test_bound_solves_the_differential_equation_it_comes_from(gamma):
    start, mu, times = 0.7, 0.4, np.linspace(0.0, 2.0, 9)
    found = solve_ivp(
        lambda t, y: -mu * y**gamma, (0.0, 2.0), [start], "DOP853", times, rtol=1e-12, atol=1e-14
    )
    values = torch.tensor([start, mu], dtype=torch.float64)
    bound = log_bound(values[0], gamma, values[1], torch.tensor(times)).exp()
    assert np.allclose(bound.numpy(), found.y[0], rtol=1e-10)


def test_bound_below_gamma_one_ends_at_zero():
    start, mu, time = torch.tensor([1.0, 1.0, 3.0], dtype=torch.float64)
    assert log_bound(start, 0.5, mu, time).item() < -700.0


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


def test_mu_that_is_too_large_is_violated_and_the_run_s_own_is_not():
    """Along the one-neuron flow the bound is nearly attained at first."""
    evidence = evidence_of_flow(one_neuron("exponential"), t_end=1.0, rtol=1e-9, saves=21)
    assert check_evidence(evidence, [Decay(2.0, 2.0)])["T-1"].verdict is Verdict.HOLDS
    assert check_evidence(evidence, [Decay(2.0, 3.0)])["T-1"].verdict is Verdict.VIOLATED
    assert check_evidence(evidence, [Decay()])["T-1"].verdict is Verdict.HOLDS


def burst(weight):
    """Return evidence on a loss that rises for a moment, at t = 0.24, for 0.004.

    Two samples with nearly opposite labels hold neuron 0 against its feedback, until one of them
    is inactive: then the other drives it down, and its share of f with it, which is the larger the
    larger its out-weight. Euler's method finds the same. Neuron 1 descends.
    """
    data = flowfa.datasets.Dataset(np.array([[1.0, 0.0], [1.0, -0.05]]), np.array([[1.0], [-0.9]]))
    arrays = {
        "W1": np.array([[[0.012, 0.04], [1.0, 0.0]]]),
        "W2": np.array([[[weight, 0.0]]]),
        "B2": np.array([[[-1.0], [0.1]]]),
    }
    start = given_start(arrays, "start")
    problem = flowfa.Problem(data, leak=1e-6, rule="fa", loss="squared", initial=start)
    flow = NetworkFlow(problem, build_ensemble(problem, 1, seed=0))
    return evidence_of_flow(flow, t_end=1.0, rtol=1e-8, saves=17, solver="hybrid")


def test_burst_between_the_times_does_not_violate_the_bound():
    """The mu of the run is negative since then; that of the times is not."""
    evidence = burst(0.2)
    loss = evidence.along(mean_loss)
    assert (loss.values[0, 1:] > loss.values[0, :-1]).any() and (loss.rates < 0.0).all()
    assert check_evidence(evidence, [Decay()])["T-1"].verdict is Verdict.HOLDS


def test_estimate_of_mu_knows_of_a_burst_between_the_times():
    found = estimates(check_evidence(burst(0.2), [Dominance()])["A-2"])["mu for gamma = 1"]
    assert found.values[0] < -0.1 and found.times[0] == pytest.approx(0.24, abs=0.005)


def test_burst_that_stays_unseen_violates_nothing_and_leaves_mu_open(monkeypatch):
    """Where the intervals are not halved often enough, only the least height of it is known.

    This one lifts the loss above that of the start, where no mu of a descent could be.
    """
    monkeypatch.setattr(outcomes, "REFINEMENTS", 0)
    monkeypatch.setattr(dominance, "REFINEMENTS", 0)
    evidence = burst(0.5)
    assert (evidence.along(mean_loss).values[0, 1:] > evidence.along(mean_loss).values[0, 0]).any()
    assert check_evidence(evidence, [Decay()])["T-1"].verdict is Verdict.INCONCLUSIVE
    found = estimates(check_evidence(evidence, [Dominance()])["A-2"])["mu for gamma = 1"]
    assert found.values[0] > 0.0 and math.isinf(found.uncertainties[0])


def test_bound_that_has_reached_zero_is_violated():
    evidence = evidence_of_flow(one_neuron("exponential"), t_end=3.0, rtol=1e-7, saves=21)
    assert check_evidence(evidence, [Decay(0.5, 5.0)])["T-1"].verdict is Verdict.VIOLATED


def test_decay_does_not_apply_without_dominance():
    """Feedback of the wrong sign: <grad, G> = e^2 (w^2 + a b) = -3 e^2 with w = a = 1, b = -4."""
    flow = one_neuron("exponential", "fa", feedback=-4.0)
    finding = check_evidence(evidence_of_flow(flow, t_end=0.1, saves=9), [Decay()])["T-1"]
    assert finding.verdict is Verdict.NOT_APPLICABLE
    assert "at first" in str(finding.failed_hypothesis)


@pytest.mark.parametrize(("gamma", "mu"), [(1.0, None), (None, 1.0), (0.0, 1.0), (1.0, -1.0)])
def test_gamma_and_mu_are_given_together_and_positive(gamma, mu):
    with pytest.raises(InputError, match="T-1 got gamma"):
        Decay(gamma, mu)

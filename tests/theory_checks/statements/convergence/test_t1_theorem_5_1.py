"""T-1: the bound on the loss, against the differential equation that it comes from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from flowfa.errors import InputError
from tests.support.known_losses import burst, one_neuron
from theory_checks import Verdict, check_evidence, evidence_of_flow
from theory_checks.statements.convergence.t1_theorem_5_1 import Decay, log_bound
from theory_checks.statements.eq1_loss_rate import mean_loss
from theory_checks.testing import CheckTestCase
from theory_checks.verdicts import judging


class TestDecay(CheckTestCase):
    def make(self):
        return Decay()


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


def test_mu_that_is_too_large_is_violated_and_the_run_s_own_is_not():
    """Along the one-neuron flow the bound is nearly attained at first."""
    evidence = evidence_of_flow(one_neuron("exponential"), t_end=1.0, rtol=1e-9, saves=21)
    assert check_evidence(evidence, [Decay(2.0, 2.0)])["T-1"].verdict is Verdict.HOLDS
    assert check_evidence(evidence, [Decay(2.0, 3.0)])["T-1"].verdict is Verdict.VIOLATED
    assert check_evidence(evidence, [Decay()])["T-1"].verdict is Verdict.HOLDS


def test_burst_between_the_times_does_not_violate_the_bound():
    """The mu of the run is negative since then; that of the times is not."""
    evidence = burst(0.2)
    loss = evidence.along(mean_loss)
    assert (loss.values[0, 1:] > loss.values[0, :-1]).any() and (loss.rates < 0.0).all()
    assert check_evidence(evidence, [Decay()])["T-1"].verdict is Verdict.HOLDS


def test_burst_that_stays_unseen_violates_nothing(monkeypatch):
    """This one lifts the loss above that of the start, where no mu of a descent could be."""
    monkeypatch.setattr(judging, "REFINEMENTS", 0)
    evidence = burst(0.5)
    assert (evidence.along(mean_loss).values[0, 1:] > evidence.along(mean_loss).values[0, 0]).any()
    assert check_evidence(evidence, [Decay()])["T-1"].verdict is Verdict.INCONCLUSIVE


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

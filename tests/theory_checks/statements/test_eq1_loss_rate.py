"""Eq. (1), the rate of the loss, against the shared template of checks and while neurons slide."""

from __future__ import annotations

from dataclasses import replace

import pytest

import flowfa
from theory_checks import check_evidence, evidence_of_run
from theory_checks.statements.eq1_loss_rate import RateOfLoss, nearest_kink
from theory_checks.testing import CheckTestCase


class TestRateOfLoss(CheckTestCase):
    def make(self):
        return RateOfLoss()


@pytest.fixture(scope="module")
def sliding_evidence():
    """Random labels: at nearly all times some neuron slides, and kinks crowd between the times."""
    data = flowfa.datasets.gaussian(samples=20, dim=20, seed=1)
    rules = ("gd", "dfa")
    problem = flowfa.Problem(data, (20,), rule=rules, loss="squared", initial="xavier")
    return evidence_of_run(flowfa.simulate(problem, 3, t_end=4.0, rtol=1e-6, save=11))


def test_rate_of_loss_holds_while_neurons_slide(sliding_evidence):
    finding = check_evidence(sliding_evidence, [RateOfLoss()])["Eq-1"]
    assert finding.trajectories == {"holds": 6}, str(finding)


def test_rate_of_loss_counts_the_times_of_sliding(sliding_evidence):
    """A loss_rate in the file that is wrong at one such time, by a thousandth, is seen."""
    rates = sliding_evidence.record.observables["loss_rate"]
    wrong = rates.clone()
    wrong[:, 7] *= 1.001
    observables = sliding_evidence.record.observables | {"loss_rate": wrong}
    record = replace(sliding_evidence.record, observables=observables)
    kinks = sliding_evidence.along(nearest_kink).values[:, 14]
    assert int((kinks < 1e-12).sum()) >= 5
    finding = check_evidence(replace(sliding_evidence, record=record), [RateOfLoss()])["Eq-1"]
    assert finding.trajectories == {"violated": 6}, str(finding)

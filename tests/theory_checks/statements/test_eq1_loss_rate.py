"""Eq. (1), the rate of the loss, against the shared template of checks and while neurons slide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import flowfa
from flowfa.datasets import Dataset
from flowfa.problems.starts import given_start
from theory_checks import Verdict, check_evidence, evidence_of_run
from theory_checks.statements.eq1_loss_rate import RateOfLoss, nearest_kink
from theory_checks.testing import CheckTestCase


class TestRateOfLoss(CheckTestCase):
    def make(self):
        return RateOfLoss()


@pytest.fixture(scope="module", params=["one hidden layer", "two"])
def sliding_evidence(request):
    """Random labels: at nearly all times some neuron slides, and kinks crowd between the times."""
    rules = ("gd", "dfa")
    if request.param == "two":
        data = flowfa.datasets.gaussian(samples=6, dim=4, seed=1)
        problem = flowfa.Problem(data, (8, 6), rule=rules, initial="xavier")
        return evidence_of_run(flowfa.simulate(problem, 3, t_end=20.0, rtol=1e-5, save=11))
    data = flowfa.datasets.gaussian(samples=20, dim=20, seed=1)
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


def judged(X, y, start, rule, loss, leak):
    """What ``flowfa check`` finds in a run with few saves."""
    problem = flowfa.Problem(
        Dataset(np.array(X), np.array(y)),
        initial=given_start({name: np.array([array]) for name, array in start.items()}),
        leak=leak,
        rule=rule,
        loss=loss,
    )
    run = flowfa.simulate(problem, 1, t_end=50.0, rtol=1e-5, save=5)
    return check_evidence(evidence_of_run(run), [RateOfLoss()], confirm=True)["Eq-1"]


def test_digits_that_cancel_in_a_stored_rate_are_not_asked_for():
    """One sample with both labels: the gradient cancels down to the size of the weights."""
    start = {
        "W1": [[-1.3629991e-06]],
        "W2": [[-1.5645849e-06]],
        "c1": [-2.3879859e-07],
        "c2": [-4.4971395e-07],
        "D1": [[-0.35060951]],
    }
    finding = judged([[1.0], [1.0]], [-1.0, 1.0], start, "dfa", "exponential", 0.1)
    assert finding.verdict is Verdict.HOLDS, str(finding)


MIXED_NORMS = [
    [1.5963, 0.26647],
    [-8.5014, 9.2484],
    [-1.8193, -1.1287],
    [0.053412, -0.10487],
    [0.014349, -0.025642],
    [35.963, -10.095],
    [5.4752, -1.0792],
    [0.1915, 0.27877],
    [-42.43, -53.461],
    [0.078139, 2.6949],
    [0.42061, -0.47586],
    [-1.9586, -2.2863],
]
LABELS = [-1.0, 1.0, 1.0, 1.0, -1.0, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0, 1.0]
SLIDES_TO_ZERO = {"W1": [[7.0576e-05, 4.3175e-05]], "W2": [[-1.0447e-05]], "B2": [[-1.3318]]}


def test_slopes_that_signs_of_rounding_would_tell_are_not_believed():
    """A neuron that has slid to zero: the signs of its preactivations are those of rounding."""
    finding = judged(MIXED_NORMS, LABELS, SLIDES_TO_ZERO, "fa", "logistic", 0.0)
    assert finding.verdict is not Verdict.VIOLATED, str(finding)

"""Whether a file is what its configuration gives, against the shared template of checks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import flowfa
from flowfa.flow.network_flow import NetworkFlow
from theory_checks import Verdict, check_evidence, evidence_of_flow, evidence_of_run
from theory_checks.controls.flows import small_ensemble, small_problem
from theory_checks.statements.record import Reproduction
from theory_checks.testing import CheckTestCase


class TestReproduction(CheckTestCase):
    def make(self):
        return Reproduction()

    def evidence(self, problem, ensemble):
        arrays = {f"W{i}": weight for i, weight in enumerate(ensemble.weights, start=1)}
        arrays |= ensemble.feedback[0]
        given = flowfa.problems.starts.given_start(arrays)
        same = flowfa.Problem(
            problem.data, leak=problem.leak, rule=problem.rules, loss="logistic", initial=given
        )
        return evidence_of_run(
            flowfa.simulate(same, t_end=self.t_end, solver="dopri5", rtol=1e-5, save=9)
        )

    def inapplicable(self):
        problem = small_problem("fa")
        flow = NetworkFlow(problem, small_ensemble(problem))
        return {"there is a record": evidence_of_flow(flow, t_end=1.0)}

    def test_what_is_not_a_number_is_inconclusive(self):
        evidence = self.sound_evidence()
        evidence.record.states[0, 2:] = torch.nan
        finding = check_evidence(evidence, [self.make()]).findings[0]
        assert finding.verdict is Verdict.INCONCLUSIVE and finding.place.trajectory == 0


@pytest.fixture(scope="module")
def evidence():
    """A run of two rules whose paths are integrated once."""
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=0)
    problem = flowfa.Problem(data, (3,), rule=("fa", "gd"), initial="xavier")
    run = flowfa.simulate(
        problem, 1, t_end=2.0, save=7, snapshots=3, rtol=1e-5, observe=["normalised-margin"]
    )
    found = evidence_of_run(run)
    _ = found.paths
    return found


def with_change(evidence, **changes):
    """Return evidence on a file in which observables or weights are others."""
    record = evidence.record
    observables = record.observables | {k: v for k, v in changes.items() if k != "states"}
    states = changes.get("states", record.states)
    changed = dataclasses.replace(record, observables=observables, states=states)
    other = dataclasses.replace(evidence, record=changed)
    other.__dict__["paths"] = evidence.paths
    return other


def verdict(evidence):
    return check_evidence(evidence, [Reproduction()]).findings[0]


def test_file_of_a_neuron_that_slid_to_zero_holds():
    """What is left of its weights is rounding of what they were, and so is the gradient."""
    start = flowfa.problems.starts.given_start(
        {
            "W1": np.array([[-0.06680167, 0.20611238, 0.12373796, 0.09276598]]),
            "W2": np.array([[0.30634626], [-0.06690677], [0.29494814]]),
        }
    )
    data = flowfa.Dataset(
        np.array([[-1.0, -1.0, -1.0, 1.0], [0.0, 1.0, 0.0, -1.0]]),
        np.array([[1.21268118, 1.12135509, -0.06879977], [-0.03769072, -1.7757501, -1.92521324]]),
    )
    problem = flowfa.Problem(data, rule="gd", leak=0.0, loss="squared", initial=start)
    run = flowfa.simulate(problem, t_end=50.0, save=5, rtol=1e-5)
    ends = run.tree["trajectory"]["gradient_norm"].values[0]
    assert ends[-1] < 1e-16 < ends[0]
    finding = check_evidence(evidence_of_run(run), [Reproduction()]).findings[0]
    assert finding.verdict is Verdict.HOLDS


def test_untouched_file_holds(evidence):
    assert verdict(evidence).verdict is Verdict.HOLDS


@pytest.mark.parametrize("save", [3, 4])
@pytest.mark.parametrize(
    "name",
    [
        "gradient_norm",
        "update_norm",
        "cosine",
        "loss",
        "weight_norm",
        "alignment",
        "accuracy",
        "conserved",
        "normalised-margin",
    ],
)
def test_observable_that_was_changed_is_told_with_its_name(evidence, name, save):
    """At a snapshot, save 3, by the file's own weights; at save 4 by the repeated run."""
    values = evidence.record.observables[name].clone()
    values[:, save] *= 1.1
    finding = verdict(with_change(evidence, **{name: values}))
    assert finding.verdict is Verdict.VIOLATED
    assert finding.place.note == f"{name} in the file"


@pytest.mark.parametrize("name", ["loss_rate", "conservation_drift"])
def test_observable_without_a_repetition_is_told_at_a_snapshot(evidence, name):
    values = evidence.record.observables[name].clone()
    values[:, 3] *= 1.1
    assert verdict(with_change(evidence, **{name: values})).verdict is Verdict.VIOLATED


def test_kappa_that_was_changed_is_told(evidence):
    kappa = 1.1 * evidence.record.observables["kappa"]
    finding = verdict(with_change(evidence, kappa=kappa))
    assert finding.verdict is Verdict.VIOLATED and finding.place.note == "kappa in the file"


def test_last_digits_of_a_loss_are_told_at_a_snapshot(evidence):
    loss = (1.0 + 1e-10) * evidence.record.observables["loss"]
    assert verdict(with_change(evidence, loss=loss)).verdict is Verdict.VIOLATED


def test_last_digits_of_a_weight_are_told_by_the_observables_beside_it(evidence):
    states = evidence.record.states.clone()
    states[:, 1, 0] += 1e-8
    finding = verdict(with_change(evidence, states=states))
    assert finding.verdict is Verdict.VIOLATED
    assert finding.place.time == pytest.approx(1.0)

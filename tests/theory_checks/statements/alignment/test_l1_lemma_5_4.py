"""L-1 (Lemma 5.4) against the shared template of checks, part by part."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import flowfa
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems.ensemble import Ensemble
from tests.support.sample_geometry import three_classes
from theory_checks import Verdict, check_evidence, evidence_of_flow
from theory_checks.controls.fields import opposed
from theory_checks.controls.flows import small_ensemble, small_problem
from theory_checks.statements.alignment.l1_lemma_5_4 import ReadoutAlignment
from theory_checks.statements.alignment.l1c_never_obtuse import NeverObtuse
from theory_checks.statements.alignment.products import kappas
from theory_checks.testing import CheckTestCase
from theory_checks.verdicts.judging import outcomes_of


def evidence_on(problem, weights, feedback, t_end=0.5):
    """Follow given networks, (start, ...) arrays, under the one rule of a problem."""
    ensemble = Ensemble(tuple(weights), (None,) * len(weights), (feedback,))
    flow = NetworkFlow(problem, ensemble)
    return evidence_of_flow(flow, t_end=t_end, rtol=1e-6, solver="hybrid", saves=9)


def notes_of_violations(evidence, drop):
    found = outcomes_of(ReadoutAlignment(), evidence, drop=drop)
    return {outcome.place.note for outcome in found if outcome.verdict is Verdict.VIOLATED}


class TestDalesPrinciple(CheckTestCase):
    def make(self):
        return ReadoutAlignment()

    def inapplicable(self):
        gd, fa = small_problem("gd"), small_problem("fa")
        vector = flowfa.Problem(three_classes(), (4,), 1.0, "fa")
        xavier = flowfa.Problem(fa.data, (4,), 1.0, "fa", initial="xavier")
        start = small_ensemble(fa)
        silent = dict(start.feedback[0])
        silent["B3"] = silent["B3"] * np.array([1.0, 0.0, 1.0])[:, None]
        return {
            "the rule is": self.evidence(gd, small_ensemble(gd)),
            "one output": self.evidence(vector, small_ensemble(vector)),
            "no b_j is zero": self.evidence(fa, Ensemble(start.weights, start.biases, (silent,))),
            "kappa_j": self.evidence(xavier, small_ensemble(xavier)),
        }


@pytest.mark.parametrize("rule", ["fa", "adafa", "signfa"])
def test_lemma_holds_with_biases_for_each_rule(rule):
    problem = small_problem(rule, bias="all", leak=1.0)
    flow = NetworkFlow(problem, small_ensemble(problem))
    evidence = evidence_of_flow(flow, t_end=1.0, rtol=1e-5, saves=9)
    assert check_evidence(evidence, [ReadoutAlignment()])["L-1"].verdict is Verdict.HOLDS


def test_kappa_of_exactly_zero_is_within_the_hypothesis():
    """b_j w_j = 1/2 ||w_in||^2 to the last bit; a bias takes 1/2 c_j^2 more."""
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=2, seed=0)
    problem = flowfa.Problem(data, (2,), rule="fa")
    first = np.array([[[0.5, 0.0], [0.0, 0.25]]])
    weights = first, np.array([[[0.125, -0.0625]]])
    evidence = evidence_on(problem, weights, {"B2": np.array([[[1.0], [-0.5]]])})
    assert kappas(evidence, 1).tolist() == [[0.0, 0.0]]
    assert outcomes_of(ReadoutAlignment(), evidence)[0].verdict is Verdict.HOLDS


@pytest.mark.parametrize("readout", [0.0, 0.3])
def test_equality_at_a_start_without_in_weights_holds_and_can_still_fail(readout):
    """b_j w_j = kappa_j at time 0; feedback of the other sign leads below it."""
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=2, seed=0)
    problem = flowfa.Problem(data, (2,), 1.0, rule="fa")
    weights = np.zeros((1, 2, 2)), np.full((1, 1, 2), readout)
    ensemble = Ensemble(weights, (None, None), ({"B2": np.array([[[1.0], [0.5]]])},))
    flow = NetworkFlow(problem, ensemble)
    for motion, verdict in ((flow.field, Verdict.HOLDS), (opposed(flow.field), Verdict.VIOLATED)):
        evidence = evidence_of_flow(flow, t_end=0.5, motion=motion, rtol=1e-6, saves=9)
        for check in (ReadoutAlignment(), NeverObtuse()):
            assert outcomes_of(check, evidence)[0].verdict is verdict


def test_kappa_has_half_the_square_of_the_own_bias():
    problem = small_problem("fa", bias="all")
    start = small_ensemble(problem)
    evidence = evidence_of_flow(NetworkFlow(problem, start), t_end=1.0, saves=3)
    by_hand = [
        [
            start.feedback[0]["B3"][i, j, 0] * start.weights[2][i, 0, j]
            - 0.5 * (start.weights[1][i, j] @ start.weights[1][i, j])
            - 0.5 * start.biases[1][i, j] ** 2
            for j in range(3)
        ]
        for i in range(3)
    ]
    assert torch.allclose(kappas(evidence, 2), torch.tensor(by_hand), rtol=1e-14, atol=1e-15)


def test_one_neuron_is_held_to_its_sign_alone():
    """Its cosine is 1, which equals the bound: nothing but rounding lies between."""
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=2, seed=0)
    problem = flowfa.Problem(data, (1,), rule="fa")
    weights = np.array([[[0.1, 0.2]]]), np.array([[[1.5]]])
    evidence = evidence_on(problem, weights, {"B2": np.array([[[0.7]]])})
    assert outcomes_of(ReadoutAlignment(), evidence)[0].verdict is Verdict.HOLDS


def test_negative_kappa_lets_a_readout_start_against_its_feedback():
    """The identity and the lower bound hold all the same: sign and cosine are what fails."""
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=2, seed=0)
    problem = flowfa.Problem(data, (2,), rule="fa")
    weights = np.array([[[0.1, 0.2], [0.1, -0.1]]]), np.array([[[1.0, -1.0]]])
    evidence = evidence_on(problem, weights, {"B2": np.array([[[0.1], [1.0]]])})
    (outcome,) = outcomes_of(ReadoutAlignment(), evidence)
    assert outcome.verdict is Verdict.NOT_APPLICABLE
    assert notes_of_violations(evidence, ("kappa-nonnegative",)) == {"the sign of b_j"}
    assert outcomes_of(NeverObtuse(), evidence)[0].verdict is Verdict.HOLDS


def test_there_is_no_cosine_bound_with_several_outputs():
    """Every kappa_j >= 0, and yet the cosine is 0.1 where one output would have 1/sqrt(2)."""
    problem = flowfa.Problem(three_classes(), (2,), rule="fa")
    out = np.array([[[0.1, 0.1], [1.0, 1.0], [0.0, 0.0]]])
    feedback = {"B2": np.array([[[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]])}
    evidence = evidence_on(problem, (np.full((1, 2, 4), 0.01), out), feedback)
    assert (kappas(evidence, 1) > 0.0).all()
    assert notes_of_violations(evidence, ("scalar-output",)) == {"the cosine"}
    assert outcomes_of(NeverObtuse(), evidence)[0].verdict is Verdict.HOLDS


def test_cosine_bound_is_attained_in_the_limit():
    """All readout weight on the neuron of least |b_j|: the bound is met within 1e-3."""
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=2, seed=0)
    problem = flowfa.Problem(data, (2,), rule="fa")
    weights = np.full((1, 2, 2), 1e-3), np.array([[[1.0, 1e-4]]])
    evidence = evidence_on(problem, weights, {"B2": np.array([[[0.5], [1.0]]])}, t_end=1e-6)
    cosine = ReadoutAlignment().measure(evidence)[-1]
    assert 0.0 < float(cosine.margin[:, 0].min()) < 1e-3


def test_signfa_needs_no_sign_condition():
    """s |w_j| = 1/2 ||w_in||^2 + const though every kappa_j is negative."""
    data = flowfa.datasets.orthogonally_separable(samples=5, dim=4, seed=0)
    problem = flowfa.Problem(data, (3,), 1.0, "signfa", initial="xavier")
    start = small_ensemble(problem)
    large = Ensemble((start.weights[0] * 2.0, start.weights[1] * 0.1), start.biases, ({},))
    flow = NetworkFlow(problem, large)
    evidence = evidence_of_flow(flow, t_end=0.5, rtol=1e-5, solver="hybrid", saves=9)
    assert (kappas(evidence, 1) < 0.0).all()
    assert {o.verdict for o in outcomes_of(ReadoutAlignment(), evidence)} == {Verdict.HOLDS}

"""P-2 (Proposition 5.7, corrected) against the template, and its constant at random states."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import flowfa
from flowfa.datasets import Dataset, certify
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems.ensemble import Ensemble
from tests.support.nightly import some_now
from theory_checks import Verdict, check_evidence, evidence_of_flow
from theory_checks.controls.flows import small_ensemble
from theory_checks.controls.tight import tight_flow
from theory_checks.evidence.networks import Networks
from theory_checks.statements.convergence import p2_proposition_5_7
from theory_checks.statements.convergence.p2_proposition_5_7 import ExplicitRate, dominance
from theory_checks.statements.eq1_loss_rate import eq1_factors, mean_loss
from theory_checks.testing import CheckTestCase
from theory_checks.verdicts.judging import outcomes_of


def separable(samples=5, dim=4):
    return flowfa.datasets.orthogonally_separable(samples=samples, dim=dim, seed=0)


def problem_on(data, rule="fa", leak=0.5, widths=(4,), **options):
    return flowfa.Problem(data, widths, leak, rule, **options)


def evidence_of(problem, weights=None, feedback=None, t_end=1.0):
    if weights is None:
        ensemble = small_ensemble(problem, 2)
    else:
        ensemble = Ensemble(tuple(weights), (None,) * len(weights), (feedback or {},))
    flow = NetworkFlow(problem, ensemble)
    solver = "hybrid" if len(problem.sizes) == 3 and problem.smooth_kinks is None else "dopri5"
    return evidence_of_flow(flow, t_end=t_end, rtol=1e-6, solver=solver, saves=9)


def verdicts(evidence, drop=()):
    return {outcome.verdict for outcome in outcomes_of(ExplicitRate(), evidence, drop)}


class TestExplicitRate(CheckTestCase):
    def make(self):
        return ExplicitRate()

    def problem(self):
        return problem_on(separable())

    def inapplicable(self):
        data = separable()
        random = np.random.default_rng(0)
        inseparable = Dataset(random.standard_normal((20, 2)), random.choice((-1.0, 1.0), 20))
        return {
            "one hidden layer": evidence_of(problem_on(data, leak=1.0, widths=(4, 3))),
            "one output": evidence_of(
                problem_on(Dataset(data.X, np.arange(5) % 3), loss="cross-entropy")
            ),
            "bias": evidence_of(problem_on(data, bias="all")),
            "exponential": evidence_of(problem_on(data, loss="logistic")),
            "leak is positive": evidence_of(problem_on(data, leak=0.0)),
            "not smoothed": evidence_of(problem_on(data, smooth_kinks=0.1)),
            "the rule is one of": evidence_of(problem_on(data, "frsf")),
            "linearly separable": evidence_of(problem_on(inseparable), t_end=0.2),
            "kappa_j >= 0": evidence_of(
                problem_on(data, widths=(2,)),
                (np.full((1, 2, 4), 0.1), np.array([[[1.0, -0.1]]])),
                {"B2": np.ones((1, 2, 1))},
            ),
            "kappa > 0": evidence_of(
                problem_on(data, "gd", widths=(2,)),
                (np.full((1, 2, 4), 1.0), np.array([[[1.0, -0.1]]])),
            ),
        }


@pytest.mark.parametrize("rule", some_now(["gd", "fa", "adafa", "signfa"], ["fa", "signfa"]))
def test_proposition_holds_for_each_rule_on_data_that_slide(rule):
    random = np.random.default_rng(1)
    X = random.standard_normal((8, 12))
    problem = problem_on(Dataset(X, random.choice((-1.0, 1.0), 8)), rule, leak=0.2, widths=(6,))
    assert verdicts(evidence_of(problem, t_end=20.0)) == {Verdict.HOLDS}


@pytest.mark.parametrize("rule", ["gd", "fa", "adafa", "signfa"])
def test_constant_is_nearly_attained(rule, monkeypatch):
    """With alpha for alpha^2 the same flows are violations."""
    evidence = evidence_of_flow(tight_flow(rule), t_end=0.1, rtol=1e-7, saves=5)
    assert verdicts(evidence) == {Verdict.HOLDS}
    monkeypatch.setattr(p2_proposition_5_7, "slope_factor", lambda leak: leak)
    assert verdicts(evidence) == {Verdict.VIOLATED}


@pytest.mark.parametrize("rule", ["fa", "signfa", "gd"])
def test_dominance_is_that_of_the_automatic_gradient(rule):
    """<grad, G> with the gradient by autograd and G by hand, at random states."""
    random = np.random.default_rng(3)
    data = Dataset(random.standard_normal((6, 4)), random.choice((-1.0, 1.0), 6))
    w, a, b = (random.standard_normal(shape) for shape in ((5, 3, 4), (5, 1, 3), (5, 3, 1)))
    kept = {"B2": b} if rule == "fa" else {}
    problem = problem_on(data, rule, leak=0.3, widths=(3,))
    flow = NetworkFlow(problem, Ensemble((w, a), (None, None), (kept,)))
    outside = flow.span.outside_norm2
    networks = Networks(flow.field, flow.initial, outside, torch.zeros(5, dtype=torch.float64))
    found = dominance(eq1_factors(networks), mean_loss(networks))[:, 0]
    X, y = torch.tensor(data.X), torch.tensor(data.y)
    for row in range(5):
        first = torch.tensor(w[row], requires_grad=True)
        out = torch.tensor(a[row, 0], requires_grad=True)
        z = first @ X.T
        loss = torch.exp(-y * (out @ torch.where(z > 0, z, 0.3 * z))).mean()
        grad_first, grad_out = torch.autograd.grad(loss, (first, out))
        into = {"fa": torch.tensor(b[row, :, 0]), "signfa": out.sign(), "gd": out}[rule]
        # Each row of dLoss/dW_1 is a_j v_j, of the update b_j v_j.
        update = grad_first * (into / out)[:, None]
        product = (grad_first * update).sum() + grad_out.square().sum()
        assert torch.isclose(found[row], (product / loss**2).detach(), rtol=1e-12)


@pytest.mark.parametrize("rule", ["gd", "fa", "signfa"])
def test_ratio_is_never_below_one_at_random_states(rule):
    """kappa_j at the state itself: <grad, G> >= alpha^2 ghat^2 kappa Loss^2."""
    random = np.random.default_rng(4)
    for _ in range(20):
        data = Dataset(random.standard_normal((3, 4)), random.choice((-1.0, 1.0), 3))
        ghat, leak = certify(data).margin, float(random.uniform(0.05, 1.0))
        w = random.standard_normal((50, 2, 4)) * 10.0 ** random.uniform(-3.0, 0.3, (50, 2, 1))
        a = random.standard_normal((50, 1, 2))
        b = a.transpose(0, 2, 1) * random.uniform(0.1, 2.0, (50, 2, 1))
        kept = {"B2": b} if rule == "fa" else {}
        flow = NetworkFlow(
            problem_on(data, rule, leak, (2,)), Ensemble((w, a), (None,) * 2, (kept,))
        )
        evidence = evidence_of_flow(flow, t_end=1.0, saves=3)
        each = p2_proposition_5_7.kappa_of_neurons(evidence)
        kappa = p2_proposition_5_7.total_kappa(each, torch.tensor(rule == "fa"))
        outside = flow.span.outside_norm2
        networks = Networks(flow.field, flow.initial, outside, torch.zeros(50))
        found = dominance(eq1_factors(networks), mean_loss(networks))[:, 0]
        speaks = kappa > 0.0 if rule != "fa" else (each >= 0.0).all(1)
        assert (found >= leak**2 * ghat**2 * kappa * (1.0 - 1e-12))[speaks].all()


def test_loss_rises_where_a_readout_starts_against_its_feedback():
    """The errata's example: m = n = 1, a = 1, b = -1, w = 0.1."""
    data = Dataset(np.array([[1.0]]), np.array([1.0]))
    start = np.array([[[0.1]]]), np.array([[[1.0]]])
    for rule, kept, expected in (
        ("fa", {"B2": np.array([[[-1.0]]])}, Verdict.VIOLATED),
        ("signfa", {}, Verdict.HOLDS),
    ):
        evidence = evidence_of(problem_on(data, rule, widths=(1,)), start, kept, t_end=0.5)
        if rule == "fa":
            assert verdicts(evidence) == {Verdict.NOT_APPLICABLE}
        assert verdicts(evidence, ("kappa-nonnegative", "kappa-positive")) == {expected}


@pytest.mark.parametrize("rule", ["signfa", "gd"])
def test_one_neuron_with_positive_kappa_is_enough(rule):
    weights = np.array([[[0.1, 0.2, 0.0, 0.1], [1.0, -1.0, 0.5, 1.0]]]), np.array([[[0.9, -0.1]]])
    evidence = evidence_of(problem_on(separable(), rule, widths=(2,)), weights)
    assert (p2_proposition_5_7.kappa_of_neurons(evidence)[0] > 0.0).tolist() == [True, False]
    assert verdicts(evidence) == {Verdict.HOLDS}


def test_one_negative_kappa_breaks_feedback_alignment():
    """kappa = (1, -0.5) has a positive sum, but the second neuron unlearns faster."""
    data = Dataset(np.array([[1.0]]), np.array([1.0]))
    weights = np.array([[[-0.01], [0.01]]]), np.array([[[-1.0, 0.5]]])
    problem = problem_on(data, widths=(2,), leak=0.1)
    evidence = evidence_of(problem, weights, {"B2": np.array([[[-1.0], [-1.0]]])}, t_end=0.5)
    assert float(p2_proposition_5_7.kappa_of_neurons(evidence).sum()) > 0.0
    assert verdicts(evidence) == {Verdict.NOT_APPLICABLE}
    assert verdicts(evidence, ("kappa-nonnegative",)) == {Verdict.VIOLATED}


def test_paper_constants_are_measured_where_the_data_have_them():
    def notes(data):
        evidence = evidence_of(problem_on(data))
        found = ExplicitRate().measure(evidence)
        return {each.note.partition(", ")[2] for each in found if bool(each.valid.any())}

    assert notes(separable()) == {"", "lambda of D-1 for ghat^2"}
    nearly = flowfa.datasets.nearly_orthogonal(samples=4, dim=6, gamma=2.0, seed=0)
    assert {"the weaker bound of D-2 for ghat^2", "the bound of D-2 for ghat^2"} <= notes(nearly)


def test_report_names_the_statement_and_its_room():
    finding = check_evidence(evidence_of(problem_on(separable())), [ExplicitRate()])["P-2"]
    assert finding.verdict is Verdict.HOLDS and finding.margin > finding.uncertainty

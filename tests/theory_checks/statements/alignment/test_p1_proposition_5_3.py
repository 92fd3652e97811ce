"""P-1: the feedback of signfa, and the least angle that it leaves."""

from __future__ import annotations

import numpy as np
import pytest

import flowfa
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems.ensemble import build_ensemble
from flowfa.problems.rules import SignFeedbackAlignment
from flowfa.problems.starts import given_start
from theory_checks import Verdict, check_evidence, evidence_of_flow
from theory_checks.controls.flows import small_ensemble, small_problem
from theory_checks.statements.alignment.a1_alignment import Alignment
from theory_checks.statements.alignment.p1_proposition_5_3 import SignAlignment
from theory_checks.testing import CheckTestCase


class TestSignAlignment(CheckTestCase):
    def make(self):
        return SignAlignment()

    def problem(self):
        return small_problem("signfa")

    def inapplicable(self):
        other = small_problem("frsf")
        return {"the rule is signfa": self.evidence(other, small_ensemble(other))}


def test_two_weights_of_which_one_crosses_zero_are_no_violation(report):
    """There cos = ||W||_1 / (sqrt(2) ||W||_F) comes down to its bound, and is attained."""
    run, found = report
    assert found["P-1"].trajectories == {"not applicable": 9, "holds": 3}
    out = run.tree["weights"]["W2"].values
    assert (np.sign(out[:, 0]) != np.sign(out[:, -1])).any()


@pytest.mark.parametrize(("scale", "verdict"), [(1.0, Verdict.HOLDS), (-1.0, Verdict.VIOLATED)])
def test_weights_that_leave_zero_let_the_angle_jump(scale, verdict):
    """sign(0) = 0: the cosine of one weight of three is 1, and at once after it about 1/sqrt(3)."""
    random = np.random.default_rng(0)
    data = flowfa.datasets.Dataset(random.standard_normal((6, 4)), np.arange(6) % 3)
    out = np.array([[0.5, 0.0], [0.0, 0.0], [0.0, -0.5]])
    start = given_start({"W1": random.standard_normal((2, 4)), "W2": out})

    class Signs(SignFeedbackAlignment):
        name = "signfa"

        def feedback(self, layer, weight, kept):
            return scale * super().feedback(layer, weight, kept)

    problem = flowfa.Problem(data, leak=1.0, rule=Signs(), initial=start)
    flow = NetworkFlow(problem, build_ensemble(problem, 1, seed=0))
    evidence = evidence_of_flow(flow, t_end=0.5, rtol=1e-6, saves=17)
    report = check_evidence(evidence, [SignAlignment(), Alignment()])
    assert {report["P-1"].verdict, report["A-1"].verdict} == {verdict}

"""Whether a file is what its configuration gives, against the shared template of checks."""

from __future__ import annotations

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

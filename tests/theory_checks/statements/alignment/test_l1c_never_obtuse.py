"""L-1c: the lower bound for several outputs and inner layers, against the shared template."""

from __future__ import annotations

import flowfa
from tests.support.sample_geometry import three_classes
from theory_checks.controls.flows import small_ensemble, small_problem
from theory_checks.statements.alignment.l1c_never_obtuse import NeverObtuse
from theory_checks.testing import CheckTestCase


class TestNeverObtuse(CheckTestCase):
    def make(self):
        return NeverObtuse()

    def problem(self):
        return flowfa.Problem(three_classes(), (4, 3), 1.0, "fa", initial="xavier")

    def inapplicable(self):
        problem = small_problem("signfa")
        return {"the rule is": self.evidence(problem, small_ensemble(problem))}

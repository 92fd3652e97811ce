"""C-5, the matrix law of linear networks, against the shared template of checks."""

from __future__ import annotations

from theory_checks.controls.flows import small_ensemble, small_problem
from theory_checks.statements.conservation.c5_matrix_law import MatrixConservation
from theory_checks.testing import CheckTestCase


class TestMatrixConservation(CheckTestCase):
    def make(self):
        return MatrixConservation()

    def problem(self):
        return small_problem("fa", leak=1.0)

    def inapplicable(self):
        leaky, sign = small_problem("fa"), small_problem("signfa", leak=1.0)
        return {
            "leak = 1": self.evidence(leaky, small_ensemble(leaky)),
            "the rule is one of": self.evidence(sign, small_ensemble(sign)),
        }

"""C-2, the bias in the law of its neuron, against the shared template of checks."""

from __future__ import annotations

from theory_checks.controls.flows import small_ensemble, small_problem
from theory_checks.statements.conservation.c2_biases import BiasConservation
from theory_checks.testing import CheckTestCase


class TestBiasConservation(CheckTestCase):
    def make(self):
        return BiasConservation()

    def problem(self):
        return small_problem("fa", bias="hidden", leak=1.0)

    def inapplicable(self):
        problem = small_problem("fa")
        return {"has a bias": self.evidence(problem, small_ensemble(problem))}

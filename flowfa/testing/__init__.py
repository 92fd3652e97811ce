"""Test templates that a new rule, solver, activation, ... inherits its tests from."""

from flowfa.testing.activations import ActivationTestCase
from flowfa.testing.rules import RuleTestCase
from flowfa.testing.solvers import SolverTestCase

__all__ = ["ActivationTestCase", "RuleTestCase", "SolverTestCase"]

"""Test templates that a new rule or solver inherits its tests from."""

from flowfa.testing.rules import RuleTestCase
from flowfa.testing.solvers import SolverTestCase

__all__ = ["RuleTestCase", "SolverTestCase"]

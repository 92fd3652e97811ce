"""Test templates that a new rule, loss, solver, activation, ... inherits its tests from."""

from flowfa.testing.activations import ActivationTestCase
from flowfa.testing.datasets import DatasetTestCase
from flowfa.testing.losses import LossTestCase
from flowfa.testing.observables import ObservableTestCase
from flowfa.testing.rules import RuleTestCase
from flowfa.testing.solvers import SolverTestCase
from flowfa.testing.starts import StartTestCase

__all__ = [
    "ActivationTestCase",
    "DatasetTestCase",
    "LossTestCase",
    "ObservableTestCase",
    "RuleTestCase",
    "SolverTestCase",
    "StartTestCase",
]

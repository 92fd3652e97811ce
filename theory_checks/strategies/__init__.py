"""Hypothesis strategies of random problems, for tests of theorems about training flows."""

from theory_checks.strategies.batches import Plan, batches, build, plans
from theory_checks.strategies.data import DATA_KINDS, datasets
from theory_checks.strategies.problems import RandomProblems
from theory_checks.strategies.reduction import smallest
from theory_checks.strategies.starting import START_KINDS, starts
from theory_checks.strategies.structure import (
    RULE_NAMES,
    Architecture,
    architectures,
    losses,
    rules,
)

__all__ = [
    "DATA_KINDS",
    "RULE_NAMES",
    "START_KINDS",
    "Architecture",
    "Plan",
    "RandomProblems",
    "architectures",
    "batches",
    "build",
    "datasets",
    "losses",
    "plans",
    "rules",
    "smallest",
    "starts",
]

"""Hypothesis strategies of random problems, for tests of theorems about training flows."""

from theory_checks.random_problems.batches import Plan, batches, build, plans
from theory_checks.random_problems.data import DATA_KINDS, datasets
from theory_checks.random_problems.problems import RandomProblems
from theory_checks.random_problems.reduction import smallest
from theory_checks.random_problems.starting import START_KINDS, starts
from theory_checks.random_problems.structure import (
    RULE_NAMES,
    Architecture,
    architectures,
    losses,
    rule_names,
    rules,
)
from theory_checks.random_problems.wide import wide_plan, wide_plans

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
    "rule_names",
    "rules",
    "smallest",
    "starts",
    "wide_plan",
    "wide_plans",
]

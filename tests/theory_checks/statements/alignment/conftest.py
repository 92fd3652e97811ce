"""A run whose weights change their signs, and what the statements on angles say of it."""

from __future__ import annotations

import pytest

import flowfa
import theory_checks
from flowfa.problems.rules import SignFeedbackAlignment


@pytest.fixture(scope="session")
def report():
    """Random labels, all rules, weights that change their signs and neurons that slide."""
    data = flowfa.datasets.gaussian(samples=8, dim=4, seed=1)
    sign = SignFeedbackAlignment("xavier")
    problem = flowfa.Problem(data, (2,), rule=("gd", sign, "fa", "dfa"), initial="xavier")
    run = flowfa.simulate(problem, 3, t_end=5.0, rtol=1e-5, save=20)
    return run, theory_checks.check(run, only=["P-1", "A-1"])

"""The wide family: what it draws, and that the numbered batches of the other family stay."""

from __future__ import annotations

import numpy as np
import pytest

from theory_checks.random_problems import DATA_KINDS, START_KINDS, build, wide_plan
from theory_checks.random_problems.data import WIDE_DATA_KINDS, draw_data
from theory_checks.random_problems.starting import WIDE_START_KINDS
from validation.random_theorems import make_plan

PLANS = [wide_plan(number) for number in range(120)]


def test_it_has_single_neurons_biases_small_starts_long_runs_and_every_rule():
    assert sum(plan.architecture.hidden == (1,) for plan in PLANS) > 30
    assert {plan.architecture.bias for plan in PLANS} == {"none", "hidden", "all"}
    assert all({"tiny", *WIDE_START_KINDS} <= set(plan.start) for plan in PLANS)
    assert {plan.t_end for plan in PLANS} == {1.0, 10.0, 50.0, 100.0}
    assert len({plan.rule for plan in PLANS[:6]}) == 6
    assert {kind for plan in PLANS for kind in plan.data} >= set(WIDE_DATA_KINDS)


@pytest.mark.parametrize("kind", WIDE_DATA_KINDS)
def test_data_are_of_the_kind_that_they_are_called(kind):
    X, y = draw_data(kind, 400, 3, "logistic", 1, np.random.default_rng(0))
    norms, units = np.linalg.norm(X, axis=1), abs(X).mean(0)
    holds = {
        "mixed norms": norms.max() > 500.0 * norms.min(),
        "mixed units": units.max() > 5.0 * units.min(),
        "balanced": (X[::2] == X[1::2]).all() and (y[::2] == -y[1::2]).all(),
    }
    assert holds[kind]


def test_a_run_lasts_as_long_as_the_plan_says():
    problems = build(wide_plan(1, networks=2))
    assert problems.t_end == wide_plan(1).t_end and len(problems) == 2


def test_numbered_batches_of_the_other_family_draw_what_they_drew():
    """Tables in the docs cite them by number: new kinds are kinds of the wide family."""
    assert (len(DATA_KINDS), len(START_KINDS)) == (9, 8)
    assert not set(WIDE_DATA_KINDS) & set(DATA_KINDS)
    assert not set(WIDE_START_KINDS) & set(START_KINDS)
    plan = make_plan(387)
    assert plan.data == ("nearly orthogonal", "opposites", "gaussian", "zero rows")
    assert plan.start == ("normal", "xavier", "huge", "zero", "boundary", "aligned")

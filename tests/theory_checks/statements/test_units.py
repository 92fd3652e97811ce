"""True statements on data in unlike units are not called violated."""

from __future__ import annotations

import pytest

import flowfa
from tests.support.units import short_sample
from theory_checks import check


@pytest.mark.parametrize("s", [3e-3, 1e-5, 1e-6])
def test_statements_hold_where_a_neuron_slides_on_a_short_sample(s):
    run = flowfa.simulate(short_sample(s), 1, t_end=1000.0, save=20)
    report = check(run, only=["C-1", "C-3", "Eq-1", "L-1"])
    for name in ("C-1", "C-3", "Eq-1", "L-1"):
        assert set(report[name].trajectories) <= {"holds", "inconclusive"}, str(report[name])

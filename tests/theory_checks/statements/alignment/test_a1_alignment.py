"""A-1: the cosine of forward and feedback weights, and its estimates."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import torch

import flowfa
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems.ensemble import build_ensemble
from flowfa.problems.starts import given_start
from theory_checks import Verdict, check_evidence, evidence_of_flow
from theory_checks.controls.flows import small_ensemble, small_problem
from theory_checks.statements.alignment.a1_alignment import Alignment
from theory_checks.statements.alignment.p1_proposition_5_3 import SignAlignment
from theory_checks.testing import CheckTestCase


class TestAlignment(CheckTestCase):
    def make(self):
        return Alignment()

    def problem(self):
        return small_problem("fa", widths=(4,))

    def inapplicable(self):
        direct, deep = small_problem("dfa", widths=(4,)), small_problem("fa")
        wide = small_ensemble(self.problem())
        large = dataclasses.replace(wide, weights=(10.0 * wide.weights[0], wide.weights[1]))
        return {
            "the rule is one of": self.evidence(direct, small_ensemble(direct)),
            "one hidden layer": self.evidence(deep, small_ensemble(deep)),
            "kappa_j >= 0": self.evidence(self.problem(), large),
        }


def test_estimates_are_those_of_the_observed_cosines(report):
    run, found = report
    by_name = {each.name: each for each in found["A-1"].estimates}
    observed = run.tree["trajectory"]["alignment"].values[:, :, 1]
    least = np.array(by_name["least"].values)
    assert by_name["least"].rules == ("gd",) * 3 + ("signfa",) * 3 + ("fa",) * 3 + ("dfa",) * 3
    assert (least <= observed.min(1) + 1e-9).all()
    assert np.allclose(least, observed.min(1), atol=0.1)
    late = observed[:, 10:].min(1)
    assert (np.array(by_name["c"].values) <= late + 1e-6).all()
    since, c = np.array(by_name["T_c"].values), np.array(by_name["c"].values)
    assert (np.isnan(since) == (c <= 0.0)).all()
    times = run.tree["trajectory"]["time"].values
    for row in np.flatnonzero(c > 0.0):
        after = times >= since[row] + by_name["T_c"].uncertainties[row]
        assert (observed[row, after] >= c[row] - 1e-6).all()


def test_estimates_are_in_the_json_and_in_the_printed_report(report):
    _, found = report
    document = json.loads(json.dumps(found.to_json_dict(), allow_nan=False))
    entry = next(each for each in document["findings"] if each["spec"] == "A-1")
    assert len(entry["estimates"]) == 3 and len(entry["estimates"][0]["values"]) == 12
    assert "A-1 measured c, layer 2: gd 1 +-" in str(found)


def zero_start(value):
    """Return the flow of two neurons whose out-weights start at `value`."""
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=0)
    arrays = {"W1": 0.1 * np.ones((1, 2, 3)), "W2": value * np.ones((1, 1, 2))}
    start = given_start(arrays, "start")
    problem = flowfa.Problem(data, rule="signfa", initial=start)
    return NetworkFlow(problem, build_ensemble(problem, 1, seed=0))


def test_weights_that_start_at_zero_have_no_angle_there():
    evidence = evidence_of_flow(zero_start(0.0), t_end=1.0, rtol=1e-5, saves=9)
    found = check_evidence(evidence, [SignAlignment(), Alignment()])
    assert {each.verdict for each in found.findings} == {Verdict.HOLDS}, str(found)
    assert not any(math.isnan(value) for value in found["A-1"].estimates[0].values)


def test_weights_that_stay_zero_are_not_aligned_with_anything():
    flow = zero_start(0.0)
    still = dataclasses.replace(
        evidence_of_flow(flow, t_end=1.0, saves=9), initial=torch.zeros_like(flow.initial)
    )
    finding = check_evidence(still, [Alignment()])["A-1"]
    assert finding.verdict is Verdict.NOT_APPLICABLE
    assert all(math.isnan(value) for value in finding.estimates[0].values)

"""C-13, the law that decays, against the shared template of checks."""

from __future__ import annotations

import pytest

import flowfa
import theory_checks
from tests.support.moved_flows import finding_of, moved_evidence
from tests.support.moved_runs import kinked_data, start
from theory_checks.controls.flows import small_problem
from theory_checks.statements.conservation.c13_weight_decay import DecayingLaw
from theory_checks.testing import CheckTestCase
from theory_checks.verdicts.verdict import Verdict

DOUBLED = (0.1, 0.2, 0.4)


class TestDecayingLaw(CheckTestCase):
    def make(self):
        return DecayingLaw()

    def problem(self):
        return small_problem("gd").moving(weight_decay=0.2)

    def inapplicable(self):
        return {
            "there is weight decay": moved_evidence("gd"),
            "decay alike": moved_evidence("fa", weight_decay=0.2),
            "or out-weights twice": moved_evidence("gd", weight_decay=DOUBLED),
        }


@pytest.mark.parametrize("rule", ["fa", "adafa", "signfa", "frsf", "dfa"])
def test_it_holds_where_out_weights_decay_twice_as_fast(rule):
    evidence = moved_evidence(rule, weight_decay=DOUBLED)
    assert finding_of(DecayingLaw(), evidence).verdict is Verdict.HOLDS


def test_speeds_are_those_of_decay_and_rate_together():
    # eta_l lambda_l are 0.1, 0.2 and 0.4, and under gd 0.2 in all layers.
    evidence = moved_evidence("fa", layer_rates=(0.5, 1.0, 2.0), weight_decay=0.2)
    assert finding_of(DecayingLaw(), evidence).verdict is Verdict.HOLDS
    evidence = moved_evidence("gd", layer_rates=(0.5, 1.0, 2.0), weight_decay=(0.4, 0.2, 0.1))
    assert finding_of(DecayingLaw(), evidence).verdict is Verdict.HOLDS


def test_it_speaks_only_of_the_layers_in_proportion():
    # Layer 1 decays as layer 2 does, layer 2 not as layer 3.
    evidence = moved_evidence("gd", weight_decay=(0.2, 0.2, 0.5))
    (measurement,) = DecayingLaw().measure(evidence)
    spoken_of = {
        item.layer
        for item, valid in zip(measurement.items, measurement.valid.any(1)[0], strict=True)
        if valid
    }
    assert spoken_of == {1}
    assert finding_of(DecayingLaw(), evidence).verdict is Verdict.HOLDS


@pytest.mark.parametrize(("rule", "outer"), [("gd", 0.2), ("fa", 0.4), ("signfa", 0.4)])
def test_it_holds_to_the_tolerance_through_sliding_modes_and_in_the_file(rule, outer, tmp_path):
    problem = flowfa.Problem(
        kinked_data(),
        leak=0.2,
        rule=rule,
        initial=start((6,), bias=True),
        weight_decay=(0.2, outer),
    )
    run = flowfa.simulate(problem, t_end=2.0, save=21, rtol=1e-6, path=tmp_path / "run.nc")
    assert run.tree["solver"]["slidings"].values.sum() > 0 or rule == "fa"
    report = theory_checks.check(run)
    for spec in ("C-13", "C-13b", "record"):
        assert report[spec].verdict is Verdict.HOLDS, str(report)
    # The others hold, or say that they do not speak of decay.
    assert Verdict.VIOLATED not in {finding.verdict for finding in report.findings}, str(report)
    assert report["C-1"].verdict is Verdict.NOT_APPLICABLE

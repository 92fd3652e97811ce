"""C-8, the law under rates of layers, against the shared template of checks."""

from __future__ import annotations

import pytest

from tests.support.moved_flows import finding_of, moved_evidence
from theory_checks.controls.flows import small_problem
from theory_checks.statements.conservation.c1_per_neuron import NeuronConservation
from theory_checks.statements.conservation.c8_rates_of_layers import RateConservation
from theory_checks.testing import CheckTestCase
from theory_checks.verdicts.verdict import Verdict

RATES = (0.5, 1.0, 2.0)


class TestRateConservation(CheckTestCase):
    def make(self):
        return RateConservation()

    def problem(self):
        return small_problem("fa").moving(layer_rates=RATES)

    def inapplicable(self):
        return {
            "different rates": moved_evidence("fa", layer_rates=2.0),
            "no weight decay": moved_evidence("fa", layer_rates=RATES, weight_decay=0.1),
        }


@pytest.mark.parametrize("rule", ["gd", "adafa", "signfa", "dfa", "frsf"])
def test_it_holds_under_every_rule_with_its_row_of_c1s_table(rule):
    evidence = moved_evidence(rule, layer_rates=RATES)
    assert finding_of(RateConservation(), evidence).verdict is Verdict.HOLDS


def test_c1_does_not_speak_of_rates_that_differ_and_holds_for_one_rate_other_than_1():
    different = finding_of(NeuronConservation(), moved_evidence("gd", layer_rates=RATES))
    assert different.verdict is Verdict.NOT_APPLICABLE
    assert different.failed_hypothesis is not None and "one rate" in different.failed_hypothesis
    one = finding_of(NeuronConservation(), moved_evidence("dfa", layer_rates=0.5))
    assert one.verdict is Verdict.HOLDS

"""C-13b, the integrated balance, against the shared template of checks."""

from __future__ import annotations

import pytest

from tests.support.moved_flows import finding_of, moved_evidence
from theory_checks.controls.flows import small_problem
from theory_checks.statements.conservation.c1_per_neuron import NeuronConservation
from theory_checks.statements.conservation.c13b_balance import DecayBalance
from theory_checks.testing import CheckTestCase
from theory_checks.verdicts.verdict import Verdict


class TestDecayBalance(CheckTestCase):
    def make(self):
        return DecayBalance()

    def problem(self):
        return small_problem("fa").moving(weight_decay=(0.3, 0.1, 0.2))

    def inapplicable(self):
        return {"there is weight decay": moved_evidence("gd")}


@pytest.mark.parametrize("rule", ["gd", "fa", "signfa", "frsf", "dfa"])
def test_it_holds_in_any_proportion_and_with_rates_of_layers(rule):
    evidence = moved_evidence(rule, weight_decay=(0.3, 0.1, 0.2), layer_rates=(0.5, 1.0, 2.0))
    assert finding_of(DecayBalance(), evidence).verdict is Verdict.HOLDS
    assert finding_of(NeuronConservation(), evidence).verdict is Verdict.NOT_APPLICABLE

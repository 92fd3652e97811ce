"""C-1, the law of each neuron (and C-3, its sum), against the shared template of checks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import flowfa
import theory_checks
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems.ensemble import build_ensemble
from flowfa.problems.starts import given_start
from tests.support.nightly import some_now
from theory_checks import Verdict, check_evidence, evidence_of_flow, evidence_of_run
from theory_checks.controls.flows import small_ensemble, small_problem
from theory_checks.evidence.networks import Networks
from theory_checks.statements.conservation.c1_per_neuron import NeuronConservation
from theory_checks.statements.conservation.c3_per_layer import LayerConservation
from theory_checks.statements.conservation.laws import in_norms, neuron_law
from theory_checks.testing import CheckTestCase

RULES = ("gd", "fa", "adafa", "signfa", "frsf", "dfa")


class TestNeuronConservation(CheckTestCase):
    def make(self):
        return NeuronConservation()


@pytest.mark.parametrize("rule", RULES)
def test_row_of_each_rule_holds_with_and_without_bias(rule):
    for bias, leak in (("none", 0.3), ("hidden", 1.0)):
        problem = small_problem(rule, bias, leak)
        flow = NetworkFlow(problem, small_ensemble(problem))
        evidence = evidence_of_flow(flow, t_end=1.0, rtol=1e-6, saves=9)
        report = check_evidence(evidence, [NeuronConservation(), LayerConservation()])
        assert report["C-1"].verdict is Verdict.HOLDS, str(report)
        assert report["C-3"].verdict is Verdict.HOLDS, str(report)


def barely_moving():
    """Return a problem whose weight of layer 2 moves by rounding, to 7e-20: opposite labels."""
    inputs = np.array([[1.8461e-3, 0.0], [1.8461e-3, 4.8487e-19]])
    arrays = {
        "W1": np.array([[[0.1333, -0.8444]]]),
        "W2": np.zeros((1, 1, 1)),
        "W3": np.array([[[0.6912]]]),
        "M2": np.array([[[5.9014]]]),
        "M3": np.array([[[0.3577]]]),
    }
    return flowfa.Problem(
        flowfa.datasets.Dataset(inputs, np.array([[1.0], [-1.0]])),
        leak=0.01,
        rule="frsf",
        loss="squared",
        initial=given_start(arrays),
    )


def test_terms_below_the_last_digits_of_the_law_do_not_violate_it():
    problem = barely_moving()
    flow = NetworkFlow(problem, build_ensemble(problem, 1, seed=0))
    evidence = evidence_of_flow(flow, t_end=1.0, rtol=1e-7, solver="bosh3", saves=17)
    assert 0.0 < evidence.values(in_norms)[0, -1, 1] < 1e-36
    for check in (NeuronConservation(), LayerConservation()):
        assert check_evidence(evidence, [check]).findings[0].verdict is Verdict.HOLDS


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0 + 4e-16, Verdict.HOLDS), (1.0 + 1e-13, Verdict.VIOLATED)]
)
def test_last_digits_of_the_law_in_a_file_do_not_violate_it(factor, verdict):
    """Beyond terms of 1e-39 the law is 0.25: one digit of it may differ, a hundred may not."""
    run = flowfa.simulate(barely_moving(), 1, t_end=1.0, rtol=1e-7, solver="bosh3", save=17)
    evidence = evidence_of_run(run)
    evidence.flow.layout.views(evidence.record.states)["W3"][:, -1] *= factor
    assert check_evidence(evidence, [NeuronConservation()]).findings[0].verdict is verdict


@pytest.mark.parametrize("rule", RULES)
def test_rows_of_the_table_are_what_the_rules_claim(rule):
    """Two writings of each law, the rule's own and the check's, agree at random states."""
    problem = small_problem(rule, bias="all")
    flow = NetworkFlow(problem, small_ensemble(problem))
    rows = torch.arange(len(flow))
    states = flow.initial + torch.tensor(
        np.random.default_rng(0).standard_normal(flow.initial.shape)
    )
    networks = Networks(flow.field, states, flow.span.outside_norm2, torch.zeros(len(flow)))
    claimed = flow.observe(states, rows)["conserved"]
    assert torch.allclose(neuron_law(networks), claimed, rtol=1e-13, atol=0.0, equal_nan=True)


@pytest.mark.parametrize("rule", some_now(RULES, ["fa", "frsf"]))
def test_sliding_neurons_conserve_too(rule):
    """Random labels make most neurons slide; the hybrid solver follows them exactly."""
    data = flowfa.datasets.gaussian(samples=10, dim=6, seed=1)
    problem = flowfa.Problem(data, (8,), rule=rule, bias="all", initial="xavier")
    run = flowfa.simulate(problem, 2, t_end=4.0, solver="hybrid", rtol=1e-5, save=10)
    assert int(run.tree["solver"]["slidings"].values.sum()) > 5
    report = theory_checks.check(run, only=["C-1", "C-2"])
    assert report["C-1"].verdict is report["C-2"].verdict is Verdict.HOLDS


def test_readouts_of_earlier_layers_are_what_conserves_under_direct_feedback():
    """A readout that decays, a hair's breadth from the right one, breaks the law of layer 1."""
    problem = small_problem("dfa")
    flow = NetworkFlow(problem, small_ensemble(problem))
    check = NeuronConservation()
    sound = evidence_of_flow(flow, t_end=1.0, rtol=1e-5, saves=9)
    assert len(check.measure(sound)) == 2
    readouts = check.measure(sound)[1]
    judged = readouts.valid.any(0).any(0)
    judged_items = (item for item, valid in zip(readouts.items, judged, strict=True) if valid)
    assert {item.layer for item in judged_items} == {1}
    finding = check_evidence(check.controls()["weight decay under dfa"](), [check]).findings[0]
    assert finding.verdict is Verdict.VIOLATED

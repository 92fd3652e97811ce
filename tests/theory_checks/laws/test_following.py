"""Laws as statements along runs: they hold where C-1 and C-5 do, and a tampered run is violated."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import h5py
import pytest
import torch

import flowfa
from flowfa.cli.main import main
from flowfa.errors import InputError
from flowfa.problems.activations import LeakyReLU
from flowfa.problems.rules import RULES, SignFeedbackAlignment
from tests.support.checksums import forget_checksums
from tests.support.laws import LINEAR, HalfFA, dynamics
from theory_checks import CHECKS, Verdict
from theory_checks.controls import small_flow
from theory_checks.controls.flows import BREAKS
from theory_checks.evidence.from_flow import evidence_of_flow
from theory_checks.laws import laws
from theory_checks.laws.following import check_laws, law_checks
from theory_checks.laws.same_flow import check_same_flow
from theory_checks.verdicts.check import check_evidence

LEAKY = LeakyReLU(0.3)


def of_small_flow(rule, leak=0.3, bias="none"):
    has_bias = {"none": (), "hidden": (True, True, False)}[bias]
    activation = LeakyReLU(leak)
    return law_checks(
        laws(dynamics(rule, 4, 4, 3, 1, activation=activation, has_bias=has_bias)).to_json_dict()
    )


def verdicts(checks, flow, motion=None, t_end=1.0):
    evidence = evidence_of_flow(flow, t_end=t_end, motion=motion, rtol=1e-5, saves=9)
    report = check_evidence(evidence, checks)
    return {finding.spec: finding.verdict for finding in report.findings}


@pytest.mark.parametrize(
    ("rule", "leak", "bias"),
    [
        ("fa", 0.3, "none"),
        ("gd", 0.3, "none"),
        ("fa", 1.0, "hidden"),
        ("signfa", 1.0, "none"),
        ("frsf", 0.3, "none"),
        ("dfa", 1.0, "none"),
        ("fa", 1.0, "none"),
        (HalfFA(), 0.3, "none"),
    ],
    ids=str,
)
def test_laws_of_two_hidden_layers_hold_and_break_with_weight_decay(monkeypatch, rule, leak, bias):
    if isinstance(rule, HalfFA):
        monkeypatch.setattr(HalfFA, "name", "half-fa")
        monkeypatch.setitem(RULES._entries, "half-fa", HalfFA)
    checks, flow = of_small_flow(rule, leak, bias), small_flow(rule, bias, leak)
    assert set(verdicts(checks, flow).values()) == {Verdict.HOLDS}
    decayed = BREAKS["weight decay"](flow.field)
    assert set(verdicts(checks, flow, decayed, t_end=2.0).values()) == {Verdict.VIOLATED}


def test_built_in_statements_come_out_as_special_cases():
    """The same flow, sound and broken: the law of each neuron says what C-1 says, pairs C-5."""
    checks, flow = of_small_flow("fa", 1.0), small_flow("fa", leak=1.0)
    built_in = (CHECKS.get("C-1")(), CHECKS.get("C-5")())
    for motion in (None, BREAKS["drifting feedback"](flow.field)):
        said = verdicts((*checks, *built_in), flow, motion)
        assert said["law-1"] == said["C-1"]
        assert said["law-6"] == said["C-5"]


def test_the_drift_of_a_law_is_that_of_the_built_in_check():
    checks, flow = of_small_flow("fa"), small_flow("fa")
    evidence = evidence_of_flow(flow, t_end=1.0, rtol=1e-5, saves=9)
    built_in = CHECKS.get("C-1")().measure(evidence)[0].margin
    own = torch.cat([check.measure(evidence)[0].margin for check in checks], 2)
    torch.testing.assert_close(own, built_in, rtol=1e-3, atol=1e-12)


@pytest.mark.parametrize("bend", ["tanh", "drifting feedback"])
def test_other_breaks_are_seen(bend):
    checks, flow = of_small_flow("fa"), small_flow("fa")
    found = verdicts(checks, flow, BREAKS[bend](flow.field))
    assert Verdict.VIOLATED in found.values()


def run_of(rule, **more):
    """A run of 4-3-1, a leaky ReLU of slope 0.1 and no biases, unless told otherwise."""
    data = flowfa.datasets.orthogonally_separable(samples=5, dim=4, seed=0)
    activation = {"leak": 0.1} if "activation" not in more else {}
    settings: dict[str, Any] = {"widths": (3,), "t_end": 2.0} | activation | more
    t_end = settings.pop("t_end")
    problem = flowfa.Problem(data, rule=rule, **settings)
    return flowfa.simulate(problem, trajectories=2, t_end=t_end, save=9)


@pytest.mark.parametrize("rule", ["fa", "gd", "signfa"])
def test_laws_hold_along_runs_of_one_hidden_layer(rule):
    report = check_laws(run_of(rule), laws(dynamics(rule, 4, 3, 1)).to_json_dict(), only=["C-1"])
    assert [finding.verdict for finding in report.findings] == [Verdict.HOLDS] * 2


def test_weights_changed_in_a_file_violate_the_law(tmp_path):
    run_of("fa").save(tmp_path / "run.nc")
    with h5py.File(tmp_path / "run.nc", "r+") as file:
        file["weights/W2"][:, -1] = file["weights/W2"][:, -1] * 1.01
        forget_checksums(file)
    document = laws(dynamics("fa", 4, 3, 1)).to_json_dict()
    finding = check_laws(tmp_path / "run.nc", document).findings[0]
    assert finding.verdict is Verdict.VIOLATED
    assert "weights in the file" in finding.where


def test_a_law_with_another_coefficient_is_violated():
    found = laws(dynamics("fa", 4, 4, 3, 1, activation=LEAKY))
    law = found.found[2]
    wrong = replace(law.terms[0], coefficient=law.terms[0].coefficient.times(Fraction(6, 5)))
    changed = replace(law, terms=(wrong, *law.terms[1:]))
    document = replace(found, found=(changed, *found.found[3:])).to_json_dict()
    said = verdicts(law_checks(document), small_flow("fa"))
    assert said == {
        "law-1": Verdict.VIOLATED,
        "law-2": Verdict.HOLDS,
        "law-3": Verdict.HOLDS,
    }


@pytest.mark.parametrize(
    "flow",
    [
        small_flow("gd"),
        small_flow("fa", leak=1.0),
        small_flow("fa", widths=(4, 4)),
    ],
    ids=["rule", "activation", "sizes"],
)
def test_laws_of_another_flow_do_not_apply(flow):
    assert set(verdicts(of_small_flow("fa"), flow).values()) == {Verdict.NOT_APPLICABLE}


def test_laws_without_biases_do_not_apply_with_them():
    found = verdicts(of_small_flow("fa", 1.0), small_flow("fa", bias="hidden", leak=1.0))
    assert set(found.values()) == {Verdict.NOT_APPLICABLE}


def test_a_scale_of_signs_is_part_of_the_rule():
    checks = of_small_flow("signfa")
    assert set(verdicts(checks, small_flow(SignFeedbackAlignment(0.5))).values()) == {
        Verdict.NOT_APPLICABLE
    }


DOCUMENT = laws(dynamics("fa", 4, 3, 1)).to_json_dict()
"""The laws of the network of `run_of`."""


@pytest.mark.parametrize(
    ("rule", "more", "message"),
    [
        ("fa", {"widths": (4,)}, "sizes are 4-3-1 in the laws and 4-4-1 in the run"),
        ("fa", {"leak": 1.0}, "of leak 0.1 in the laws and leaky-relu of leak 1 in the run"),
        ("fa", {"activation": "tanh"}, "the activation is leaky-relu of leak 0.1 in the laws and"),
        ("fa", {"bias": "hidden"}, "biases are in no layer in the laws and in layer 1 in the run"),
        ("gd", {}, "the rule is fa in the laws and gd in the run"),
    ],
)
def test_laws_of_another_flow_are_refused_with_what_differs(rule, more, message):
    run = run_of(rule, **more, t_end=0.1)
    with pytest.raises(InputError, match=message) as caught:
        check_laws(run, DOCUMENT)
    assert "\n" not in str(caught.value)
    assert "write those of the run, flowfa laws --rule" in str(caught.value)


def test_a_refusal_names_no_setting_in_which_laws_and_run_agree():
    problem = flowfa.Problem(flowfa.datasets.gaussian(samples=3, dim=4, seed=0), widths=(5, 4))
    with pytest.raises(InputError) as seen:
        check_same_flow(dynamics("fa", 4, 5, 1), problem)
    assert "sizes are 4-5-1 in the laws and 4-5-4-1 in the run" in str(seen.value)
    assert "biases" not in str(seen.value)


def test_the_command_that_a_refusal_advises_writes_laws_that_fit(tmp_path, monkeypatch):
    run = run_of(SignFeedbackAlignment(0.5), bias="all", leak=0.3, t_end=0.1)
    with pytest.raises(InputError) as caught:
        check_laws(run, DOCUMENT)
    monkeypatch.chdir(tmp_path)
    words = str(caught.value).split("flowfa ")[-1].split()
    assert words[:3] == ["laws", "--rule", "signfa"]
    assert main(words) == 0
    assert check_laws(run, "FILE.json").findings


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"friction": 0.1, "activation": LINEAR}, "momentum"),
        ({"weight_decay": (0.1, 0.2)}, "a flow with weight decay, which no run"),
        ({"rates": (1.0, 2.0)}, "a flow with rates of layers, which no run"),
        ({"readouts": True}, "a flow with virtual readouts, which no run"),
    ],
)
def test_laws_of_a_motion_that_no_run_has_are_refused(more, message):
    document = laws(dynamics("fa", 4, 3, 1, **more)).to_json_dict()
    with pytest.raises(InputError, match=f"{message}|no formula that a run can be held to"):
        check_laws(run_of("fa", t_end=0.1), document)


@pytest.mark.parametrize("leak", [0.0, 0.7])
def test_laws_of_another_leak_below_one_are_the_same(leak):
    report = check_laws(run_of("fa", leak=leak, t_end=0.1), DOCUMENT)
    assert [finding.verdict for finding in report.findings] == [Verdict.HOLDS]


def test_laws_of_one_rule_apply_to_its_part_of_a_run():
    report = check_laws(run_of(("gd", "fa"), t_end=0.1), DOCUMENT)
    said = {one.verdict for one in report.findings[0].outcomes}
    assert said == {Verdict.HOLDS, Verdict.NOT_APPLICABLE}


def _edited(**changes):
    document = json.loads(json.dumps(DOCUMENT))
    document["formulas"][0].update(changes)
    return document


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": "1/2 |W1[j,:]|^2 for every j of layer 1"}, "has the text"),
        ({"latex": "0"}, "has the latex"),
        ({"kind": "trivial"}, "has the kind"),
        ({"step": "nothing"}, "has the step"),
        ({"independent": 7}, "has the independent"),
    ],
)
def test_a_formula_that_says_another_law_than_its_terms_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        law_checks(_edited(**changes))


def test_one_coefficient_of_one_neuron_changed_in_the_file_is_refused():
    document = _edited()
    document["formulas"][0]["members"][1]["terms"][0]["number"] = "3/5"
    with pytest.raises(InputError, match="is not that of its terms, which are of several") as seen:
        law_checks(document)
    assert "3/5 W1[j,0]^2" in str(seen.value)


def _changed_number(first, second):
    first["number"] = "7"


def _changed_row(first, second):
    first["null_vector"]["row"] = second["null_vector"]["row"]


def _changed_rows(first, second):
    first["null_vector"]["rows"] = second["null_vector"]["rows"] = [0, 1, 99]


def _changed_weight(first, second):
    first["monomial"][0]["index"] = second["monomial"][0]["index"]


def _scaled(first, second):
    first["feedback"] = [{"name": "B2", "index": [0, 0], "power": 1}]


@pytest.mark.parametrize(
    "change", [_changed_number, _changed_row, _changed_rows, _changed_weight, _scaled]
)
def test_a_law_with_a_null_vector_changed_in_the_file_is_refused(change):
    """Its text names neither its rows nor its entries."""
    document = laws(dynamics("fa", 3, 4, 2, activation=LINEAR)).to_json_dict()
    law_checks(document)
    family = next(each for each in document["formulas"] if "n^T B2" in each["text"])
    change(*family["members"][0]["terms"][:2])
    with pytest.raises(InputError, match="no product of a null vector and a column"):
        law_checks(document)


def test_linear_laws_are_seen_in_the_span_of_few_samples():
    """W_1 outside of the data never moves, and is in no state."""
    data = flowfa.datasets.gaussian(samples=3, dim=6, seed=0)
    problem = flowfa.Problem(data, widths=(4,), leak=1.0, rule="fa")
    run = flowfa.simulate(problem, trajectories=2, t_end=2.0, save=9, solver="gauss4")
    document = laws(dynamics("fa", 6, 4, 1, activation=LeakyReLU(1.0))).to_json_dict()
    report = check_laws(run, document)
    assert {finding.verdict for finding in report.findings} == {Verdict.HOLDS}
    assert any("W1[1,k]" in finding.statement for finding in report.findings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "has no laws"),
        ("no json", "has no laws"),
        ('{"format": "flowfa laws 1"}', "the laws lack"),
    ],
)
def test_files_without_laws_are_refused(tmp_path, text, message):
    path = tmp_path / "laws.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        law_checks(path)


def test_laws_that_cannot_be_read_are_refused():
    document = json.loads(json.dumps(laws(dynamics("fa", 2, 2, 1)).to_json_dict()))
    del document["formulas"][0]["members"][0]["terms"][0]["number"]
    with pytest.raises(InputError, match="a law of the file cannot be read"):
        law_checks(document)
    with pytest.raises(InputError, match="no formula that a run can be held to"):
        law_checks(laws(dynamics("brsf", 2, 2, 1, activation=LINEAR)).to_json_dict())


def factor_of(document):
    return document["formulas"][0]["members"][0]["terms"][0]["monomial"][0]


@pytest.mark.parametrize(
    "damage",
    [
        lambda document: document.pop("formulas"),
        lambda document: document["formulas"][0].pop("members"),
        lambda document: document["formulas"][0].update(members=3),
        lambda document: document["formulas"][0].update(members=[]),
        lambda document: document["formulas"][0]["members"][0].update(terms=[]),
        lambda document: document["formulas"][0]["members"][0]["terms"][0].update(monomial=[]),
        lambda document: document["formulas"][0]["members"][0]["terms"][0].update(number="1e400"),
        lambda document: document["formulas"][0]["members"][0].update(layer="x"),
        lambda document: document.update(bias=[1]),
        lambda document: document.update(sizes=3),
        lambda document: document.update(sizes=["a", 2, 1]),
        lambda document: document.update(rule=7),
        lambda document: document.update(rule_parameters=[1]),
        lambda document: document.update(weight_decay="x"),
        lambda document: document.update(momentum="x"),
        lambda document: document.update(formulas=[3]),
        lambda document: document["formulas"][0]["members"][0].update(layer=9),
        lambda document: document["formulas"][0]["members"][0].update(neurons=[7]),
        lambda document: document["formulas"][0]["members"][0].update(neurons=[0, 1, 1]),
        lambda document: factor_of(document).update(index=[9, 9]),
        lambda document: factor_of(document).update(index=[0]),
        lambda document: factor_of(document).update(index=["a", 0]),
        lambda document: factor_of(document).update(name="Z1"),
        lambda document: factor_of(document).update(power=3),
        lambda document: factor_of(document).update(form="abs"),
        lambda document: document["formulas"][0]["members"][0]["terms"].pop(),
        lambda document: document["formulas"][0]["members"].pop(),
    ],
)
def test_damaged_laws_are_refused_in_one_line(damage):
    document = json.loads(json.dumps(laws(dynamics("fa", 2, 2, 1)).to_json_dict()))
    damage(document)
    with pytest.raises(InputError) as caught:
        law_checks(document)
    assert "\n" not in str(caught.value)

"""What a report says where a rung of the ladder ended before the run."""

from __future__ import annotations

import dataclasses
import json

import pytest

import flowfa
from flowfa.solvers.registry import make_solver
from theory_checks import Finding, Outcome, Verdict, check_evidence, chosen, evidence_of_flow, store
from theory_checks.controls import small_flow
from theory_checks.evidence.rungs import Rung
from theory_checks.margins.measurement import Estimate
from theory_checks.pages import page
from theory_checks.statements.conservation.virtual_readouts import with_readouts
from theory_checks.verdicts.outcome import Place
from theory_checks.verdicts.report import Report
from theory_checks.verdicts.traces import Traces

FEW = 12
"""Trials that take no flow of these tests to its end at the finer tolerance."""


def with_a_rung_that_ends(rule="fa", saves=9):
    """Evidence whose finer rung runs out of steps."""
    evidence = evidence_of_flow(small_flow(rule), t_end=2.0, saves=saves)
    fine = Rung("fine", lambda: make_solver("dopri5", rtol=1e-9, max_steps=FEW))
    return dataclasses.replace(evidence, rungs=(evidence.rungs[0], fine))


@pytest.fixture(scope="module")
def report():
    return check_evidence(with_a_rung_that_ends(), chosen(("C-1", "Eq-1", "C-2")))


def text_of(lines):
    return " ".join(line.strip() for line in lines)


def test_the_table_says_which_rung_ended_where(report):
    finding = report["C-1"]
    assert finding.verdict is Verdict.INCONCLUSIVE
    table = text_of(report.table())
    assert "nan" not in table and "unknown" in table
    assert f"fine ended at t = {finding.ended.time:.4g} (max-steps)" in table


def test_the_notes_say_why_and_what_to_do(report):
    (note,) = [note for note in report.notes if note.startswith("fine ended before the run")]
    assert "on 3 of 3 trajectories (max-steps), and no margin has an uncertainty" in note
    assert f"({FEW} trials took it to" in note
    assert "raise `max_steps`, loosen `rtol`" in note
    assert note.endswith("make the run so, and check it")


def test_a_difference_of_two_is_not_claimed_where_there_is_one(report):
    assert "uncertainty: the difference of the two" not in str(report)
    assert report.evidence.endswith("as far as both got, unknown beyond (3 of 3 trajectories)")
    whole = evidence_of_flow(small_flow("fa"), t_end=2.0, saves=9)
    plain = check_evidence(whole, chosen(("C-1",)))
    assert plain.evidence.endswith("uncertainty: the difference of the two")
    assert plain["C-1"].ended is None and plain["C-1"].to_json_dict()["ended"] is None


def test_the_document_for_programs_says_it_too(report):
    document = json.loads(json.dumps(report.to_json_dict(), allow_nan=False))
    by_spec = {finding["spec"]: finding for finding in document["findings"]}
    ended = by_spec["C-1"]["ended"]
    assert by_spec["C-1"]["margin"] is None and by_spec["C-1"]["verdict"] == "inconclusive"
    assert (ended["rung"], ended["status"], ended["until"]) == ("fine", "max-steps", 2.0)
    assert 0.0 < ended["time"] < 2.0 and "raise `max_steps`" in ended["message"]
    assert by_spec["C-2"]["ended"] is None


def test_the_page_and_the_file_say_it_too(report, tmp_path):
    data = flowfa.datasets.orthogonally_separable(samples=3, dim=4, seed=0)
    run = flowfa.simulate(flowfa.Problem(data, (3,)), 1, t_end=0.1, save=3, path=tmp_path / "r.nc")
    text = page(report, run.tree, Traces(), "run")
    assert "fine ended at t = " in text and "fine ended before the run" in text
    assert "Inconclusive: not known beyond t = " in text and ">nan<" not in text
    store(report, tmp_path / "r.nc")
    stored = flowfa.load(tmp_path / "r.nc")["checks"].to_dataset()
    assert str(stored["ended"].values[0]) == str(report["C-1"].ended)


def test_the_rung_of_a_motion_with_more_unknowns_is_named():
    evidence = with_a_rung_that_ends("dfa")
    _ = with_readouts(evidence).paths
    assert {end.rung for end in evidence.ended} == {"fine"}


def test_a_margin_that_is_no_number_on_rungs_that_are_complete_has_no_rung_to_blame():
    nan = float("nan")
    place_less = Outcome(0, Verdict.INCONCLUSIVE, nan, nan)
    finding = Finding("X-1", "it is so", "margin: room", (place_less,))
    assert finding.ended is None
    assert finding.reason == "the margin is not a number: a term overflows, or is 0 / 0"


def finding_of(verdict, margin, uncertainty):
    place = Place(0, "fa", 1, 2, 0.5)
    return Finding("X-1", "it is so", "room", (Outcome(0, verdict, margin, uncertainty, place),))


def test_every_inconclusive_has_its_reason_in_table_document_page_and_file(tmp_path):
    nan = float("nan")
    blurred = finding_of(Verdict.INCONCLUSIVE, 0.1, 0.2)
    assert blurred.reason.startswith("the margin is within its uncertainty")
    without = finding_of(Verdict.INCONCLUSIVE, 0.1, nan)
    for finding, words in ((blurred, "within its uncertainty"), (without, "is not a number")):
        report = Report((finding,))
        assert words in text_of(report.explanations(200))
        assert report.to_json_dict()["findings"][0]["reason"] == finding.reason
        data = flowfa.datasets.orthogonally_separable(samples=3, dim=4, seed=0)
        run = flowfa.simulate(flowfa.Problem(data, (3,)), 1, t_end=0.1, save=3)
        assert words in page(report, run.tree, Traces(), "run")
        run.save(tmp_path / "run.nc", overwrite=True)
        store(report, tmp_path / "run.nc")
        assert words in str(flowfa.load(tmp_path / "run.nc")["checks"]["reason"].values[0])
    assert "t = 0.5: the uncertainty is not a number" in text_of(Report((without,)).table(200))
    assert "unc" in repr(Report((without,))) and " nan" not in repr(Report((without,)))


@pytest.mark.parametrize("verdict", [Verdict.HOLDS, Verdict.VIOLATED])
def test_a_verdict_that_is_certain_needs_no_reason(verdict):
    assert finding_of(verdict, 0.3, 0.2).reason == ""


def test_an_estimate_without_an_uncertainty_says_so():
    estimate = Estimate(
        "mu", "it", None, None, ("fa",) * 2, (1.0, 2.0), (0.1, float("nan")), (0, 0)
    )
    assert str(estimate) == "mu: fa 1 to 2 +- unknown (it)"

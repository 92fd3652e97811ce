"""The verdicts that ``flowfa simulate`` ends with, and the table of ``flowfa check``."""

from __future__ import annotations

import json
import re
import signal
import time

import h5py
import numpy as np
import pytest

import flowfa
import theory_checks
from flowfa.cli.main import main
from flowfa.errors import InputError
from flowfa.simulation.run import Run
from tests.support.nightly import some_now
from theory_checks import Finding, Outcome, Place, Report, Verdict
from theory_checks.controls import small_flow
from theory_checks.statements.conservation.c1_per_neuron import NeuronConservation
from theory_checks.verdicts.blocks import affordable

SMALL = (
    "simulate --dataset orthogonally-separable --samples 4 --dim 3 --width 4 --trajectories 2 "
    "--t-end 2 --save 5 --snapshots 3 --plot none --threads 1"
)


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(line):
    return main(line.split())


def test_a_run_ends_with_the_verdicts_and_keeps_them(capsys):
    assert run(f"{SMALL} --rule gd fa") == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("C-1 ") and "holds" in line for line in lines)
    # What does not apply takes no row.
    assert not any(line.startswith("C-5") for line in lines)
    words = " ".join(" ".join(lines).split())
    assert "C-5" in words.partition("not applicable: ")[2]
    stored = flowfa.load("run.nc")["checks"]
    assert stored["verdict"].sel(statement="C-1") == "holds"
    assert json.loads(stored.attrs["report"])["exit_code"] == 0


def test_verdicts_are_part_of_the_json_document_and_can_be_skipped(capsys):
    assert run(f"{SMALL} --json") == 0
    found = json.loads(capsys.readouterr().out)["checks"]
    assert found["findings"][0]["spec"] == "C-1" and found["exit_code"] == 0
    assert run(f"{SMALL} --json --no-check --overwrite") == 0
    assert json.loads(capsys.readouterr().out)["checks"] is None
    assert "checks" not in flowfa.load("run.nc").children


@pytest.mark.parametrize(
    ("verdict", "failed", "status"),
    [
        (Verdict.VIOLATED, False, 1),
        (Verdict.INCONCLUSIVE, False, 2),
        (Verdict.VIOLATED, True, 3),
    ],
)
def test_exit_status_is_that_of_the_solver_and_then_of_the_checks(
    monkeypatch, capsys, verdict, failed, status
):
    place = Place(0, "fa", 1, 2, 0.5)
    finding = Finding("C-1", "it is so", "", (Outcome(0, verdict, -1.0, 0.1, place),))
    monkeypatch.setattr(theory_checks, "check", lambda *_, **__: Report((finding,)))
    monkeypatch.setattr(Run, "failed", failed)
    assert run(SMALL) == status
    word = "VIOLATED" if verdict is Verdict.VIOLATED else "inconclusive"
    assert f"{word}: C-1" in capsys.readouterr().out


def test_a_run_that_cannot_be_checked_says_why(monkeypatch, capsys):
    """The status is the solver's, and the result is there."""

    def refuse(*_, **__):
        raise InputError("nothing got beyond t = 0")

    monkeypatch.setattr(theory_checks, "check", refuse)
    assert run(f"{SMALL} --max-steps 1 --solver dopri5 --rtol 1e-9") == 3
    assert "not checked: nothing got beyond t = 0" in capsys.readouterr().out
    assert "solver" in flowfa.load("run.nc").children


def test_ctrl_c_while_checking_keeps_the_result(monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(theory_checks, "check", stop)
    assert run(SMALL) == 130
    complaint = capsys.readouterr().err
    assert "flowfa check run.nc" in complaint and complaint.count("\n") == 1
    assert flowfa.load("run.nc").attrs["status"] == "ok"


@pytest.fixture
def heeded():
    """Give SIGINT Python's own handler: a shell lets what it starts in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_while_checking_is_told(monkeypatch, capsys, number, status):
    """Left alone, SIGTERM ends Python without a word."""

    def stop(*_, **__):
        signal.raise_signal(number)

    assert run(f"{SMALL} --quiet --no-check") == 0
    monkeypatch.setattr(theory_checks, "check", stop)
    assert run("check run.nc") == status
    assert capsys.readouterr().err == "flowfa: stopped\n"
    assert run(f"{SMALL} --overwrite") == status
    complaint = capsys.readouterr().err
    assert "flowfa check run.nc" in complaint and complaint.count("\n") == 1
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_stored_verdicts_leave_the_rest_of_the_file_as_it_was():
    assert run(f"{SMALL} --quiet --no-check") == 0
    with h5py.File("run.nc") as file:
        before = {name: file[name][()] for name in ("weights/W1", "trajectory/loss")}
    report = theory_checks.check("run.nc", only=["C-1"])
    for _ in range(2):
        theory_checks.store(report, "run.nc")
    with h5py.File("run.nc") as file:
        for name, values in before.items():
            np.testing.assert_array_equal(file[name][()], values)
        assert file["checks/margin"].shape == (1,)


def test_checks_of_smoothed_and_of_single_precision_runs_know_what_was_run(capsys):
    """Otherwise they would be called violated: other kinks, finer rounding."""
    assert run(f"{SMALL.replace('--width 4', '--width 4 4')} --smooth-kinks 0.3 --quiet") == 0
    assert run(f"{SMALL} --dtype float32 --leak 1 --quiet --overwrite") == 0


def test_time_that_is_short_is_spent_on_one_trajectory_first():
    evidence = theory_checks.evidence_of_flow(small_flow("fa"), t_end=0.1, saves=3)
    two = theory_checks.evidence_of_flow(small_flow("gd"), t_end=0.1, saves=3)
    assert [block.rows.tolist() for block in affordable(evidence, 0.0)] == [[0]]
    blocks = [block.rows.tolist() for block in affordable(two, 1e6)]
    assert blocks == [[0], [1, 2]]
    report = theory_checks.check_evidence(evidence, [NeuronConservation()], seconds=0.0)
    assert report["C-1"].trajectories == {"holds": 1}
    assert report.notes[0] == (
        "checked 1 of 3 trajectories, as fits into about 0 s: flowfa check does all of it"
    )


class Slow(NeuronConservation):
    spec = "slow"

    def measure(self, evidence):
        time.sleep(0.3)
        return super().measure(evidence)


def test_verdicts_keep_to_their_time_and_say_what_they_leave_out():
    class OfGd(Slow):
        spec = "late"

    evidence = theory_checks.evidence_of_flow(small_flow("fa"), t_end=0.1, saves=3)
    report = theory_checks.check_evidence(evidence, [Slow(), OfGd()], seconds=0.1)
    assert [finding.spec for finding in report.findings] == ["slow"]
    assert report.notes[0].startswith("checked 1 of 3 trajectories, without late, as fits into")
    assert "flowfa check does all of it" in report.notes[0]
    ample = theory_checks.check_evidence(evidence, [Slow(), OfGd()], seconds=60.0)
    assert ample["late"].trajectories == {"holds": 3}
    assert not [note for note in ample.notes if note.startswith("checked")]


def test_a_check_tells_how_far_it_is():
    evidence = theory_checks.evidence_of_flow(small_flow("fa"), t_end=0.1, saves=3)
    told = []
    theory_checks.check_evidence(evidence, [NeuronConservation(), Slow()], watch=told.append)
    assert told[0] == "3 of 3 trajectories: integrating anew"
    shares = [re.search(r"(\d+) %, about \d+ s left$", text) for text in told[1:]]
    assert [match and match[1] for match in shares] == ["33", "67"]


def test_rules_that_were_not_come_to_are_named():
    data = flowfa.datasets.orthogonally_separable(samples=3, dim=2, seed=0)
    run = flowfa.simulate(flowfa.Problem(data, (2,), rule=("fa", "gd")), 2, t_end=0.5, save=3)
    report = theory_checks.check(run, only=["C-1"], seconds=0.0)
    assert report.notes[0].startswith("checked 1 of 4 trajectories, none of gd, as fits into")


@pytest.mark.parametrize("width", some_now([80, 100], [80]))
def test_lines_of_the_report_fit_into_the_terminal(monkeypatch, capsys, width):
    assert run(f"{SMALL} --rule gd fa --quiet") == 0
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["check", "run.nc"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert width - 20 < max(map(len, lines)) <= width
    # The time of a place is not torn apart.
    assert not any(line.endswith((" t", " =")) for line in lines)


def test_violated_statements_are_loud_and_named_first():
    def finding(spec, verdict):
        return Finding(spec, "it is so", "", (Outcome(0, verdict, 1.0, 0.1),))

    report = Report((finding("A", Verdict.HOLDS), finding("B", Verdict.VIOLATED)))
    _, first, second, summary = report.table()
    assert first.split()[:2] == ["A", "holds"] and second.split()[:2] == ["B", "VIOLATED"]
    assert summary == "VIOLATED: B; holds: A"
    assert report.exit_code == 1


def test_panel_of_an_observable_that_was_not_recorded_says_how_to_record_it(capsys):
    assert run(f"{SMALL} --quiet --no-check") == 0
    assert run("plot run.nc --out panel.png --panel loss normalised-margin") == 64
    said = capsys.readouterr().err
    assert "normalised-margin was not recorded in" in said
    assert "--observe normalised-margin" in said and said.count("\n") == 1
    assert run(f"{SMALL} --quiet --no-check --overwrite --observe normalised-margin") == 0
    assert run("plot run.nc --out panel.png --panel loss normalised-margin") == 0
    assert run("plot run.nc --out other.png --panel los") == 64
    assert "did you mean 'loss'" in capsys.readouterr().err

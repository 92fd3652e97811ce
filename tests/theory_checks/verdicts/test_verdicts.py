"""Verdicts, bounds between times, evidence from files, and the command line of checks."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest
import torch

import flowfa
import theory_checks
from flowfa.cli.main import main
from flowfa.errors import InputError
from flowfa.solvers.registry import make_solver
from tests.support.checksums import forget_checksums
from theory_checks import Verdict
from theory_checks.controls import broken, small_flow
from theory_checks.evidence.rungs import Rung, build_ladder
from theory_checks.margins.between_times import extremes
from theory_checks.margins.bounds import never_negative
from theory_checks.margins.measurement import Item
from theory_checks.statements.conservation.c1_per_neuron import NeuronConservation
from theory_checks.statements.conservation.c5_matrix_law import MatrixConservation
from theory_checks.verdicts.check import check_evidence
from theory_checks.verdicts.judging import outcomes_of
from theory_checks.verdicts.report import EXIT_CODES, Report
from theory_checks.verdicts.verdict import severities


@pytest.fixture(scope="module")
def run():
    data = flowfa.datasets.gaussian(samples=8, dim=5, seed=0)
    problem = flowfa.Problem(data, (6,), rule=("fa", "gd"), initial="xavier")
    return flowfa.simulate(problem, 2, t_end=5.0, save=20, solver="hybrid", rtol=1e-5)


@pytest.fixture
def file(run, tmp_path):
    run.save(tmp_path / "run.nc")
    run.path = None
    return tmp_path / "run.nc"


def test_verdict_is_open_unless_the_margin_exceeds_its_uncertainty():
    margin = torch.tensor([2.0, 1.0, 0.0, -1.0, -2.0, torch.nan, 5.0])
    uncertainty = torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0, 1.0, torch.nan])
    words = [list(Verdict)[i].value for i in severities(margin, uncertainty).tolist()]
    assert words == ["holds", *["inconclusive"] * 3, "violated", *["inconclusive"] * 2]


def test_report_exits_with_the_worst_verdict_that_applies():
    def report(*verdicts):
        return Report(
            tuple(
                theory_checks.Finding(str(i), "", "", (theory_checks.Outcome(0, verdict),))
                for i, verdict in enumerate(verdicts)
            )
        )

    assert report().exit_code == report(Verdict.NOT_APPLICABLE, Verdict.HOLDS).exit_code == 0
    assert report(Verdict.HOLDS, Verdict.INCONCLUSIVE).exit_code == 2
    assert report(Verdict.INCONCLUSIVE, Verdict.VIOLATED).exit_code == 1
    assert EXIT_CODES.keys() == set(Verdict)


def test_bound_between_times_holds_for_a_cubic_with_a_kink_anywhere():
    """Its guarantee, on dense samples: the kink in every part of the interval, up and down."""
    random = np.random.default_rng(0)
    kink = np.linspace(0.0, 1.0, 201)[:, None]
    jump = random.choice((-1.0, 1.0), (201, 1)) * 10.0 ** random.uniform(-2.0, 2.0, (201, 1))
    coefficients = random.standard_normal((4, 201, 1))

    def q(t):
        return sum(c * t**k for k, c in enumerate(coefficients)) + jump * np.maximum(t - kink, 0)

    def rate(t):
        cubic = sum(k * c * t ** (k - 1) for k, c in enumerate(coefficients) if k)
        return cubic + jump * (t > kink)

    mesh = np.array([0.0, 0.5, 1.0])[None]
    found = extremes(
        torch.tensor(mesh[0]),
        torch.tensor(q(mesh))[:, :, None],
        torch.tensor(rate(mesh))[:, :, None],
    )
    dense = q(np.linspace(0.0, 1.0, 2001)[None])
    least = (found.least - found.remainder)[:, 0, 0].numpy()
    greatest = (found.greatest + found.remainder)[:, 0, 0].numpy()
    assert (least <= dense.min(1) + 1e-12).all() and (greatest >= dense.max(1) - 1e-12).all()
    # A bound that is merely enormous would pass too.
    assert (dense.min(1) - least < 2.0 * np.abs(jump[:, 0])).all()


def test_extremes_of_a_cubic_are_exact():
    t = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
    q, rate = t**3 - 3.0 * t, 3.0 * t**2 - 3.0
    found = extremes(t, q[None, :, None], rate[None, :, None])
    assert found.least.item() == -2.0 and found.least_time.item() == 1.0
    assert found.greatest.item() == 2.0 and found.remainder.item() == 0.0


class Dip:
    """q falls below zero between t = 0.4 and 0.45, where the first mesh does not look."""

    spec, statement, reading = "dip", "q >= 0", ""

    def hypotheses(self, evidence):
        return ()

    def measure(self, evidence):
        def dip(networks):
            return ((networks.time - 0.42).square() - 0.02**2)[:, None] + self.kink(networks)

        return (never_negative(evidence, dip, (Item(),)),)

    def kink(self, networks):
        return 0.0 * networks.state[:, :1]

    def controls(self):
        return {}


class KinkedDip(Dip):
    def kink(self, networks):
        return 0.01 * (networks.time - 0.43).abs()[:, None] - 0.0001


@pytest.mark.parametrize("statement", [Dip(), KinkedDip()])
def test_violation_between_two_saves_is_found(statement):
    evidence = theory_checks.evidence_of_flow(small_flow("fa"), t_end=1.0, saves=3)
    assert not ((evidence.times > 0.4) & (evidence.times < 0.45)).any()
    finding = theory_checks.check_evidence(evidence, [statement]).findings[0]
    assert finding.verdict is Verdict.VIOLATED
    assert 0.4 < finding.place.time < 0.45 and finding.margin < 0.0


class Touching(Dip):
    """q is zero at the start, where all its terms vanish, and moves away like t^2."""

    def __init__(self, attained, factor=1.0):
        self.attained, self.factor = attained, factor

    def measure(self, evidence):
        def parabola(networks):
            return self.factor * networks.time.square()[:, None] + self.kink(networks)

        return (never_negative(evidence, parabola, (Item(),), attained=self.attained),)


@pytest.mark.parametrize(
    ("statement", "verdict"),
    [
        (Touching(attained=True), Verdict.HOLDS),
        (Touching(attained=False), Verdict.INCONCLUSIVE),
        (Touching(attained=True, factor=-1.0), Verdict.VIOLATED),
        (Touching(attained=True, factor=-1e-9), Verdict.VIOLATED),
    ],
)
def test_equality_at_the_start_holds_where_it_is_within_the_statement(statement, verdict):
    evidence = theory_checks.evidence_of_flow(small_flow("fa"), t_end=1.0, saves=3)
    assert theory_checks.check_evidence(evidence, [statement]).findings[0].verdict is verdict


def test_hypothesis_that_fails_for_some_leaves_the_others():
    evidence = theory_checks.evidence_of_flow(small_flow("fa"), t_end=1.0, rtol=1e-5, saves=9)
    evidence.reached[1] = 0.01
    report = theory_checks.check_evidence(evidence, [NeuronConservation()])
    finding = report["C-1"]
    assert finding.verdict is Verdict.HOLDS
    assert finding.trajectories == {"not applicable": 1, "holds": 2}
    assert "got as far as" in finding.failed_hypothesis and "1 of 3" in report.notes[0]


def test_ladder_tells_the_integrators_drift_from_the_theorems():
    """Euler's drift shrinks with its step; that of weight decay does not."""
    rungs, run_rung = build_ladder("euler", rungs=3, rtol=1e-4, step=0.02)
    sound = theory_checks.evidence_of_flow(small_flow("fa"), t_end=1.0, saves=9)
    decayed = broken("fa", "weight decay")()
    for evidence, verdict in ((sound, Verdict.HOLDS), (decayed, Verdict.VIOLATED)):
        evidence = dataclasses.replace(evidence, rungs=rungs, run_rung=run_rung)
        finding = theory_checks.check_evidence(evidence, [NeuronConservation()]).findings[0]
        assert finding.verdict is verdict


def test_rungs_may_try_steps_in_proportion_to_those_of_the_run():
    """So that a start that was changed, whose flow is far too fast, does not take for ever."""
    rungs, _ = build_ladder("hybrid", rungs=3, rtol=1e-4, taken=500)
    assert [rung.make().max_steps for rung in rungs] == [7000, 52_000, 100_000]


def test_run_in_memory_and_its_file_give_one_report(run, file):
    first, second = theory_checks.check(run), theory_checks.check(file)
    assert first.to_json_dict() == second.to_json_dict()
    assert first.exit_code == 0 and "hybrid, rtol 1e-06" in first.evidence


def test_replaced_feedback_is_found_and_its_layer_named(run, file, capsys):
    import h5py

    with h5py.File(file, "r+") as stored:
        stored["weights/B2"][:2] = stored["weights/B2"][:2] * 1.2
        forget_checksums(stored)
    assert main(["check", str(file), "--only", "C-1", "--json"]) == 1
    finding = json.loads(capsys.readouterr().out)["findings"][0]
    assert finding["verdict"] == "violated" and finding["place"]["layer"] == 1
    assert finding["place"]["note"] == "weights in the file"
    assert finding["trajectories"] == {"holds": 2, "violated": 2}


def test_command_prints_the_table_and_stores_it_if_asked(file, capsys):
    assert main(["check", str(file), "--only", "c-1", "record", "--store"]) == 0
    out = capsys.readouterr().out
    assert "C-1        holds" in out and "record     holds" in out and "Eq-1" not in out
    stored = flowfa.load(file)["checks"]
    assert stored["statement"].values.tolist() == ["C-1", "record"]
    assert (stored["margin"] > stored["uncertainty"]).all()
    # What was there before is as it was.
    assert main(["check", str(file), "--only", "record"]) == 0


def test_trajectories_that_ended_early_are_checked_as_far_as_they_got(tmp_path, capsys):
    data = flowfa.datasets.gaussian(samples=20, dim=50, seed=0)
    problem = flowfa.Problem(data, (20,), initial="xavier")
    run = flowfa.simulate(problem, 2, t_end=20.0, save=40, solver="bosh3", rtol=1e-3, max_steps=60)
    run.save(tmp_path / "run.nc")
    assert "ok" not in run.statuses
    assert main(["check", str(tmp_path / "run.nc"), "--only", "C-1"]) == 3
    assert "2 of 2 trajectories ended early" in capsys.readouterr().out


def test_end_that_float32_cannot_hold_is_reached():
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=0)
    problem = flowfa.Problem(data, (3,))
    run = flowfa.simulate(problem, 1, t_end=0.7, save=5, dtype="float32", rtol=1e-3)
    assert run.tree["solver"]["t_reached"].values[0] < 0.7
    evidence = theory_checks.evidence_of_run(run)
    assert evidence.valid.all()


def test_bad_input_is_refused_in_one_line(run, file, tmp_path, capsys):
    (tmp_path / "text.nc").write_text("no run")
    for arguments, message in (
        (["missing.nc"], "no file"),
        ([str(tmp_path / "text.nc")], "no netCDF4 file"),
        ([str(file), "--only", "C-9"], "did you mean 'C-8'? known: "),
    ):
        assert main(["check", *arguments]) == 64
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1


def test_file_of_another_version_or_without_configuration_is_refused(run):
    tree = run.tree.copy()
    tree.attrs["versions"] = json.dumps({"flowfa": "7.3.0"})
    with pytest.raises(InputError, match=r"flowfa 7\.3\.0.*known: 0\.1"):
        theory_checks.check(tree)
    del tree.attrs["config"]
    with pytest.raises(InputError, match="does not say how it was made"):
        theory_checks.check(tree)


def test_run_that_went_nowhere_is_refused():
    data = flowfa.datasets.gaussian(samples=4, dim=3, seed=0)
    weights = {"W1": np.full((2, 3, 3), np.nan), "W2": np.ones((2, 1, 3))}
    start = flowfa.problems.starts.given_start(weights)
    run = flowfa.simulate(flowfa.Problem(data, initial=start), t_end=1.0, save=3)
    with pytest.raises(InputError, match="no trajectory that got beyond t = 0"):
        theory_checks.check(run)


def test_simulator_never_imports_the_checks():
    """Only the command line knows both."""
    from pathlib import Path

    folder = Path(flowfa.__file__).parent
    users = {
        path.relative_to(folder).parts[0]
        for path in folder.rglob("*.py")
        if re.search(r"^\s*(from|import) theory_checks", path.read_text(), re.MULTILINE)
    }
    assert users == {"cli"}


def test_report_shows_itself_as_its_table(run):
    report = theory_checks.check(run, only=["C-1", "C-11"])
    assert repr(report).splitlines() == report.table()
    html = report._repr_html_()
    assert "<td>C-1</td><td>holds</td>" in html
    # What does not apply is named above the table, without a row.
    assert "not applicable: C-11" in html and "<td>C-11</td>" not in html


def test_dropped_hypothesis_lets_the_claim_be_measured():
    """What the statement says is then tried on a flow that it does not speak of."""
    evidence = theory_checks.evidence_of_flow(small_flow("fa"), t_end=1.0, rtol=1e-5, saves=9)
    check = MatrixConservation()
    report = theory_checks.check_evidence(evidence, [check, NeuronConservation()])
    assert report["C-5"].verdict is Verdict.NOT_APPLICABLE
    report = theory_checks.check_evidence(
        evidence, [check, NeuronConservation()], drop=("linear-activation",)
    )
    assert report["C-5"].verdict is Verdict.VIOLATED and report["C-1"].verdict is Verdict.HOLDS
    assert "not asked for: linear-activation" in report.notes[0]
    outcomes = outcomes_of(check, evidence, drop=("linear-activation",))
    assert {outcome.verdict for outcome in outcomes} == {Verdict.VIOLATED}


def test_dropping_an_unknown_hypothesis_is_refused():
    evidence = theory_checks.evidence_of_flow(small_flow("fa"), t_end=1.0, rtol=1e-5, saves=9)
    drop = ("linear-activatoin",)
    with pytest.raises(InputError, match="did you mean 'linear-activation'"):
        outcomes_of(MatrixConservation(), evidence, drop)
    with pytest.raises(InputError, match="did you mean 'linear-activation'"):
        theory_checks.check_evidence(evidence, [MatrixConservation()], drop)


def test_what_seems_violated_is_looked_at_with_a_finer_rung():
    """Two rungs that make the same error speak for a violation that is none."""

    def fine():
        return Rung("fine", lambda: make_solver("dopri5", rtol=1e-9))

    coarse = Rung("coarse", lambda: make_solver("heun", step=0.5), fine)
    evidence = theory_checks.evidence_of_flow(small_flow("gd"), t_end=4.0, saves=9)
    deceived = dataclasses.replace(evidence, rungs=(coarse, coarse), run_rung=0)
    conservation = NeuronConservation()
    assert check_evidence(deceived, [conservation])["C-1"].verdict is Verdict.VIOLATED
    confirmed = check_evidence(deceived, [conservation], confirm=True)["C-1"]
    assert confirmed.verdict in (Verdict.HOLDS, Verdict.INCONCLUSIVE)
    control = conservation.controls()["weight decay"]()
    found = check_evidence(control, [conservation], confirm=True)["C-1"]
    assert found.verdict is Verdict.VIOLATED

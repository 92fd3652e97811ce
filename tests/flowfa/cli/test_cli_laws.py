"""``flowfa laws`` and ``flowfa check --laws``."""

from __future__ import annotations

import json

import numpy as np
import pytest

from flowfa.cli.main import main


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(line):
    return main(line.split())


def test_the_table_says_what_was_counted_and_found(capsys):
    assert run("laws --rule fa --sizes 3 4 3 2 --leak 1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "fa, sizes 3-4-3-2, leaky-relu 1, no bias: 22 laws of 30 parameters"
    assert lines[1].startswith("rank by level: 6 8 8 8 (nothing new after level 1, 2 more")
    assert lines[2].endswith("seed 0: there are at most 22 laws")
    assert lines[3] == "complete: 22 of 22"


def test_json_has_count_proof_and_formulas(capsys):
    assert run("laws --rule gd --sizes 2 3 1 --bias all --json --seed 3") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["parameters"] == 13
    assert document["rank_by_level"] == [10, 10, 10]
    assert (document["laws"], document["complete"], document["proof"]) == (3, True, True)
    assert document["prime"] == 67108859
    assert document["seed"] == 3
    assert document["formulas"][0]["text"] == (
        "1/2 |W1[j,:]|^2 + 1/2 c1[j]^2 - 1/2 |W2[:,j]|^2 for every j of layer 1"
    )


def test_a_file_of_laws_is_followed_along_a_run(capsys):
    small = "--dataset orthogonally-separable --samples 4 --dim 3 --width 4 --trajectories 2"
    more = "--t-end 1 --save 5 --plot none --threads 1 --no-check --solver hybrid"
    assert run(f"simulate --rule fa gd {small} {more}") == 0
    assert run("laws --rule fa --sizes 3 4 1 --out laws.json") == 0
    capsys.readouterr()
    assert run("check run.nc --laws laws.json --only C-1 --json") == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert [(one["spec"], one["verdict"]) for one in findings] == [
        ("C-1", "holds"),
        ("law-1", "holds"),
    ]
    assert run("check run.nc --laws laws.json --json") == 0
    assert len(json.loads(capsys.readouterr().out)["findings"]) == 1


def test_given_samples_and_steps(capsys, folder):
    np.savez(folder / "data.npz", X=np.eye(4)[:2], y=np.array([1, -1]))
    assert run("laws --rule fa --sizes 4 2 1 --dataset data.npz --steps") == 0
    out = capsys.readouterr().out
    assert "2 given samples: 6 laws" in out
    assert "(outside the data)" in out
    assert "step: eta^2 (1/2 |U1[j,:]|^2)" in out


def test_a_momentum_next_to_one_keeps_its_friction(capsys):
    assert run("laws --rule fa --sizes 2 2 1 --momentum 0.9999999999999999") == 0
    assert "momentum with friction 1e-16: 0 laws" in capsys.readouterr().out


def test_momentum_and_weight_decay(capsys):
    assert run("laws --rule fa --sizes 3 4 2 --momentum 0.9") == 0
    assert "0 laws of 40 parameters and velocities" in capsys.readouterr().out
    assert run("laws --rule gd --sizes 3 4 2 --weight-decay 0.1") == 0
    assert "exp(0.2 t) (1/2 |W1[j,:]|^2 - 1/2 |W2[:,j]|^2)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("laws --rule ffa --sizes 3 4 2", "unknown rule 'ffa': did you mean 'fa'?"),
        ("laws --rule fa --sizes 3 4", "--sizes is (3, 4): expected inputs"),
        ("laws --rule fa --sizes 30 400 2", "at most 1000: shrink the widest layers"),
        ("laws --rule fa --sizes 3 0 2", "--sizes is 0: expected a whole number of at least 1"),
        ("laws --sizes 3 4 2", "laws needs --rule"),
        ("laws --rule fa --sizes 3 4 2 --leak 2", "--leak is 2.0: expected a slope between"),
        ("laws --rule fa --sizes 3 4 2 --activation relu6", "unknown activation 'relu6'"),
        ("laws --rule fa --sizes 3 4 2 --activation tanh --leak 0.1", "give one of them"),
        ("laws --rule fa --sizes 3 4 2 --rates 1 2 3", "--rates has 3 numbers for 2 layers"),
        ("laws --rule fa --sizes 3 4 2 --dataset none.npz", "none.npz"),
        ("check run.nc --laws none.json", "there is no file none.json: expected one that flowfa"),
        ("check run.nc --laws .", ". cannot be read (is a directory): expected a file that flowfa"),
    ],
)
def test_bad_input_is_one_line(capsys, line, message):
    assert run(line) == 64
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_laws_of_another_network_end_with_64_and_the_difference(capsys):
    small = "--dataset orthogonally-separable --samples 4 --dim 3 --width 4 --trajectories 1"
    more = "--t-end 0.1 --save 3 --plot none --threads 1 --no-check --solver hybrid"
    assert run(f"simulate --rule fa {small} {more}") == 0
    assert run("laws --rule fa --sizes 3 5 1 --out laws.json") == 0
    assert run("check run.nc --laws laws.json") == 64
    error = capsys.readouterr().err
    assert "sizes are 3-5-1 in the laws and 3-4-1 in the run; write those of the run" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "line",
    [
        "laws --rule brsf --sizes 2 2 1",
        "laws --rule gd --sizes 2 2 1 --weight-decay 0.1",
        "laws --rule dfa --sizes 2 2 2 1 --readouts",
    ],
)
def test_no_check_is_advised_that_would_be_refused(capsys, line):
    assert run(f"{line} --out laws.json") == 0
    assert "saved to laws.json; no run can be held to these laws" in capsys.readouterr().out
    assert run("laws --rule fa --sizes 2 2 1 --out laws.json --overwrite") == 0
    assert "next: flowfa check RUN.nc --laws laws.json" in capsys.readouterr().out


def test_out_is_advised_only_to_commands_that_have_it(capsys, monkeypatch):
    from flowfa.cli import check, simulate

    def full(*_):
        raise OSError(28, "No space left on device", "some.file")

    monkeypatch.setattr(check, "check", full)
    monkeypatch.setattr(simulate, "simulate", full)
    assert run("check run.nc") == 64
    assert "--out" not in capsys.readouterr().err
    assert run("simulate") == 64
    assert "choose another place with --out" in capsys.readouterr().err


def test_ctrl_c_prints_what_is_known(capsys, monkeypatch):
    from theory_checks.laws.counting import rank

    once = rank._bracket_rows

    def stop(motion, points, level, number):
        if level > 0:
            raise KeyboardInterrupt
        return once(motion, points, level, number)

    monkeypatch.setattr(rank, "_bracket_rows", stop)
    assert run("laws --rule fa --sizes 3 4 2") == 130
    out = capsys.readouterr().out
    assert "stopped: the rank is at least 16, so that there are at most 4 laws of 20" in out


@pytest.mark.parametrize("json_flag", ["", " --json"])
def test_ctrl_c_while_laws_are_searched_prints_count_and_formulas_so_far(
    capsys, monkeypatch, json_flag
):
    from theory_checks.laws.finding.candidates import Candidates

    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Candidates, "columns", stop)
    assert run(f"laws --rule fa --sizes 3 4 2 --leak 1{json_flag}") == 130
    out = capsys.readouterr().out
    formula = "1/2 |W1[j,:]|^2 - <W2[:,j], B2[j,:]> for every j of layer 1"
    if json_flag:
        document = json.loads(out)
        assert (document["stopped"], document["laws"], document["found"]) == (True, 13, 4)
        assert document["complete"] is False
        assert document["formulas"][0]["text"] == formula
    else:
        assert "stopped while laws were searched: there are at most 13 laws of 20" in out
        assert f"  4  {formula}" in out


def test_ctrl_c_before_any_field_is_seen_prints_the_bound_of_rank_zero(capsys, monkeypatch):
    from theory_checks.laws import result

    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(result, "check_feedback", stop)
    assert run("laws --rule fa --sizes 3 4 2") == 130
    assert "the rank is at least 0, so that there are at most 20 laws" in capsys.readouterr().out
    monkeypatch.setattr("flowfa.cli.laws._dynamics", stop)
    assert run("laws --rule fa --sizes 3 4 2") == 130
    assert "stopped before anything was counted" in capsys.readouterr().out

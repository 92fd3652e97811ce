"""The command line of discrete training."""

from __future__ import annotations

import json

import numpy as np
import pytest

import flowfa
from flowfa.cli.main import main

SMALL = ("--dataset", "gaussian", "--samples", "8", "--dim", "5", "--width", "4")


def train(tmp_path, *more):
    path = tmp_path / "run.nc"
    return path, main(["train", *SMALL, "--trajectories", "2", "--out", str(path), *more])


def test_run_file_is_shown_checked_and_drawn(tmp_path, capsys):
    path, code = train(tmp_path, "--rule", "fa", "brsf", "--rate", "0.1", "0.05", "--steps", "50")
    out = capsys.readouterr().out
    assert code == 0 and "fa, rate 0.05" in out and path.with_suffix(".png").exists()
    run = flowfa.load(path)
    assert run.attrs["kind"] == "discrete"
    assert json.loads(run.attrs["config"])["rate"] == [0.1, 0.05]
    assert run["trajectory"]["rule"].values.tolist() == ["fa"] * 4 + ["brsf"] * 4
    assert main(["info", str(path)]) == 0
    assert "training_time" in capsys.readouterr().out
    assert main(["check", str(path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    verdicts = {finding["spec"]: finding["trajectories"] for finding in report["findings"]}
    assert verdicts["C-11"] == {"holds": 4, "not applicable": 4}
    assert main(["plot", str(path), "--out", str(tmp_path / "again.svg")]) == 0


def test_divergence_is_a_result(tmp_path, capsys):
    path, code = train(
        tmp_path, "--rate", "0.05", "1e4", "--loss", "squared", "--plot", "none", "--steps", "60"
    )
    assert code == 0 and "diverged" in capsys.readouterr().out
    assert flowfa.load(path)["solver"]["status"].values.tolist() == ["ok", "diverged"] * 2


def test_settings_come_from_a_file_and_flags_override_it(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('rate = [0.2, 0.1]\nmomentum = 0.5\nt-end = 4.0\nschedule = "2@10"\n')
    path, code = train(tmp_path, "--config", str(file), "--momentum", "0.0", "--plot", "none")
    assert code == 0
    configuration = json.loads(flowfa.load(path).attrs["config"])
    assert configuration["momentum"] == [0.0] and configuration["schedule"] == "2.0@10"
    assert np.isclose(flowfa.load(path)["trajectory"]["time"].values[-1], 4.0)


@pytest.mark.parametrize(
    ("flags", "words"),
    (
        (("--rate", "-1"), "--rate is -1"),
        (("--momentum", "1.0"), "--momentum is 1"),
        (("--batch-size", "9"), "--batch-size is 9 but there are 8 samples"),
        (("--steps", "10", "--t-end", "3"), "give one of them"),
        (("--steps", "100000000000", "--keep-every-step"), "are free: save fewer"),
        (("--schedule", "3"), "unknown schedule '3'"),
        (("--snapshots", "9", "--save", "5"), "--snapshots is 9"),
    ),
)
def test_bad_input_ends_with_64_and_one_line(tmp_path, capsys, flags, words):
    path, code = train(tmp_path, *flags)
    error = capsys.readouterr().err
    assert code == 64 and words in error and error.count("\n") == 1
    assert not path.exists() and not list(tmp_path.iterdir())


def test_flow_refuses_a_rule_that_has_none(tmp_path, capsys):
    assert main(["simulate", "--rule", "brsf", "--out", str(tmp_path / "run.nc")]) == 64
    assert "flowfa train" in capsys.readouterr().err

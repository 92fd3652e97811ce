"""A rule whose feedback moves, an observable and a statement, in one file, on the command line."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flowfa.cli.main import main
from tests.support.own_files import forgotten

MINE = Path(__file__).parents[3] / "docs" / "moving.py"
OWN = ("--import", "moving.py")
SMALL = ["--width", "3", "--trajectories", "1", "--samples", "4", "--dim", "5"]
SMALL += ["--t-end", "2", "--save", "5", "--rtol", "1e-5", "--leak", "1"]


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """A command line in a folder with moving.py, each time as in a process of its own."""
    shutil.copy(MINE, tmp_path)
    monkeypatch.chdir(tmp_path)

    def run(*words):
        with forgotten():
            code = main([*words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_a_moving_rule_an_observable_and_a_statement_go_through_every_command(command):
    assert len(MINE.read_text().splitlines()) < 60
    asked = ("--rule", "follower", "weight-mirror", "--observe", "feedback-norm", "--no-check")
    code, out, err = command("simulate", *OWN, *SMALL, *asked, "--plot", "none")
    assert (code, err) == (0, "") and "follower" in out
    code, out, _ = command(
        "check", "run.nc", *OWN, "--only", "following", "C-1", "record", "--json"
    )
    found = {entry["spec"]: entry for entry in json.loads(out)["findings"]}
    assert code == 1 and found["C-1"]["verdict"] == found["record"]["verdict"] == "holds"
    assert found["following"]["trajectories"] == {"violated": 1, "not applicable": 1}
    search = ("--seed", "3", "--examples", "30", "--time-limit", "60", "--out", "found.npz")
    code, out, _ = command("falsify", "following", *OWN, *search)
    assert code == 1 and "COUNTEREXAMPLE" in out and "follower" in out
    program = out[out.index("import numpy") : out.index("saved to")]
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert re.match(r"violated: margin -\d", done.stdout)
    code, out, _ = command("plot", "run.nc", *OWN, "--panel", "feedback-norm", "--overwrite")
    assert code == 0 and "figure: run.png" in out


def test_its_run_is_made_again_and_shown(command):
    asked = ("--rule", "follower", "--no-check", "--plot", "none")
    assert command("simulate", *OWN, *SMALL, *asked)[0] == 0
    code, out, err = command("rerun", "run.nc", *OWN, "--quiet")
    assert (code, err) == (0, "")
    code, out, _ = command("info", "run.nc")
    assert code == 0 and "follower" in out


def test_a_solver_that_needs_a_form_is_refused_in_one_line(command):
    asked = ("--rule", "follower", "--solver", "event", "--no-check", "--plot", "none")
    code, _, err = command("simulate", *OWN, *SMALL, *asked)
    assert code == 64 and err.count("\n") == 1
    assert "'follower' moves" in err and "--solver auto" in err

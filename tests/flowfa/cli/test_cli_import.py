"""``--import my.py``: things of one's own on the command line, and in the file of a run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import flowfa
from flowfa.cli.main import main
from tests.support.own_files import forgotten

MINE = Path(__file__).parents[3] / "docs" / "my.py"
SMALL = [
    "--width",
    "4",
    "--trajectories",
    "2",
    "--samples",
    "4",
    "--dim",
    "6",
    "--t-end",
    "4",
    "--save",
    "9",
    "--rtol",
    "1e-5",
]


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """A command line in a folder with my.py, each time as in a process of its own."""
    shutil.copy(MINE, tmp_path)
    monkeypatch.chdir(tmp_path)

    def run(*words):
        with forgotten():
            code = main([*words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def made(command):
    rules = ("--rule", "gd", "half-fa", "--observe", "active-share", "--no-check")
    code, _, err = command("simulate", "--import", "my.py", *SMALL, *rules, "--plot", "none")
    assert (code, err) == (0, "")
    return command


def test_rule_observable_and_statement_of_ones_own_go_through_every_command(command):
    assert len(MINE.read_text().splitlines()) < 60
    own = ("--import", "my.py")
    rules = ("--rule", "gd", "half-fa", "--observe", "active-share")
    code, out, err = command("simulate", *own, *SMALL, *rules)
    assert (code, err) == (1, "") and "balance  " in out and "half-fa  2 ok" in out
    code, out, _ = command("check", "run.nc", *own, "--only", "balance", "C-1", "--json")
    found = {entry["spec"]: entry for entry in json.loads(out)["findings"]}
    assert code == 1 and found["C-1"]["verdict"] == "holds"
    assert found["balance"]["trajectories"] == {"holds": 2, "violated": 2}
    search = ("--seed", "6", "--time-limit", "10", "--out", "found.npz")
    code, out, _ = command("falsify", "balance", *own, *search)
    assert code == 1 and "COUNTEREXAMPLE" in out and "half-fa, network 1-" in out
    program = out[out.index("import numpy") : out.index("saved to")]
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert re.match(r"violated: margin -\d", done.stdout)
    code, out, _ = command("plot", "run.nc", *own, "--panel", "active-share", "--overwrite")
    assert code == 0 and "figure: run.png" in out


def test_the_file_names_what_it_was_made_with(made):
    entry = json.loads(flowfa.load("run.nc").attrs["config"])["imports"][0]
    assert entry["file"] == "my.py" and len(entry["sha256"]) == 64
    assert entry["gives"] == ["rule half-fa", "observable active-share"]


@pytest.mark.parametrize("words", ["check run.nc", "rerun run.nc", "extend run.nc --t-end 5"])
def test_a_command_asks_for_the_file_in_one_line(words, made):
    code, _, err = made(*words.split())
    assert code == 64 and err.count("\n") == 1
    assert "it comes from the file my.py (sha256" in err and "give --import my.py, in" in err
    code, _, err = made(*words.split(), "--import", "my.py")
    # The statement in it is violated.
    assert (code, err) == (words.startswith("check"), "")


def test_an_observable_alone_is_asked_for_too(command):
    made = ("--observe", "active-share", "--no-check", "--plot", "none")
    assert command("simulate", "--import", "my.py", *SMALL, *made)[0] == 0
    code, _, err = command("rerun", "run.nc")
    assert code == 64 and "the observable 'active-share', which is not known here" in err
    assert "give --import my.py" in err
    # Checks do not look at observables, so that they do not ask.
    assert command("check", "run.nc", "--only", "C-1")[0] == 0


OTHERS = """\
import flowfa
from flowfa.problems.losses import Squared

@flowfa.loss("halved")
class Halved(Squared):
    def value(self, output, target):
        return 0.5 * super().value(output, target)

    def derivative(self, output, target):
        return 0.5 * super().derivative(output, target)

@flowfa.start("small")
class Small(flowfa.problems.starts.NormalStart):
    def __init__(self, scale=0.01):
        super().__init__(scale)
"""


def test_losses_and_starts_of_ones_own_are_asked_for_where_they_are_needed(command):
    Path("others.py").write_text(OTHERS)
    words = (*SMALL, "--loss", "halved", "--init", "small", "--no-check", "--plot", "none")
    assert command("simulate", "--import", "others.py", *words)[0] == 0
    code, _, err = command("check", "run.nc")
    assert code == 64 and "has the loss 'halved', which is not known here" in err
    assert "comes from the file others.py" in err
    assert command("check", "run.nc", "--import", "others.py", "--only", "Eq-1")[0] == 0
    config = json.loads(flowfa.load("run.nc").attrs["config"])
    assert config["imports"][0]["gives"] == ["loss halved", "start small"]
    assert config["init_parameters"] == {"scale": 0.01}


@pytest.mark.filterwarnings("default")
def test_a_changed_file_is_told_and_not_recorded_as_the_old_one(made):
    text = Path("my.py").read_text()
    Path("my.py").write_text(text.replace("weight_share=0.5", "weight_share=0.4"))
    code, _, err = made("check", "run.nc", "--import", "my.py", "--only", "C-1")
    assert "is not the file that run.nc was made with (my.py, sha256" in err
    assert err.count("\n") == 1 and code != 0
    code, _, _ = made("rerun", "run.nc", "--import", "my.py", "--quiet")
    assert code == 1
    old, new = (
        json.loads(flowfa.load(name).attrs["config"])["imports"][0]["sha256"]
        for name in ("run.nc", "run-rerun.nc")
    )
    assert old != new


def test_train_and_deviation_take_the_file(command):
    own = ("--import", "my.py", "--rule", "half-fa", "--samples", "4", "--dim", "6")
    code, out, _ = command("train", *own, "--width", "3", "--steps", "20", "--plot", "none")
    assert code == 0 and "C-11" in out
    small = ("--width", "3", "--trajectories", "1", "--rates", "0.1", "0.05", "--t-end", "1")
    assert command("deviation", *own, *small, "--fresh", "2", "--quiet") == (0, "", "")


def test_a_sweep_imports_the_file_before_it_looks_names_up(command):
    Path("sweep.toml").write_text(
        '[settings]\nimport = ["my.py"]\nwidth = 3\nsamples = 4\ndim = 6\nt-end = 1.0\n'
        'trajectories = 1\n[grid]\nrule = ["gd", "half-fa"]\n'
    )
    code, _, err = command("sweep", "sweep.toml")
    assert (code, err) == (0, "")


def test_a_configuration_file_can_name_it(command):
    Path("my.toml").write_text('import = ["my.py"]\nrule = ["half-fa"]\n')
    words = ("--config", "my.toml", "--no-check", "--plot", "none", "--quiet")
    assert command("simulate", *SMALL, *words)[0] == 0


def test_a_file_that_is_not_there_is_one_line(command):
    code, _, err = command("simulate", "--import", "yours.py")
    assert code == 64 and err == (
        "flowfa: there is no file yours.py: give --import the name of a Python file\n"
    )

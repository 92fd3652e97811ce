"""``flowfa sweep`` as a user gives it."""

from __future__ import annotations

import json

import h5py
import pytest

from flowfa.cli import sweep as command
from flowfa.cli.main import main
from flowfa.sweeps import SweepFolder
from tests.support.writers import other_writer

TEXT = """
seeds = 1
[settings]
samples = 4
dim = 6
t_end = 1.0
save = 3
trajectories = 2
width = 3
[grid]
rule = ["fa", "gd"]
leak = [0.5, 1.0]
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.toml").write_text(TEXT)
    return tmp_path / "s.toml"


def told(capsys, *words):
    status = main(list(words))
    said = capsys.readouterr()
    return status, said.out, said.err


def test_a_sweep_from_its_file_to_a_figure(file, capsys):
    status, out, err = told(capsys, "sweep", "s.toml")
    assert (status, err) == (0, "")
    assert "4 cells: 4 done, 0 running, 0 failed, 0 missing" in out
    status, out, _ = told(capsys, "sweep", "status", "s", "--json")
    assert status == 0 and json.loads(out)["done"] == 4
    status, out, err = told(capsys, "sweep", "collect", "s")
    assert status == 0 and "4 done" in out and err == ""
    status, out, err = told(capsys, "plot", "s.nc", "--panel", "loss")
    assert (status, err) == (0, "") and (file.parent / "s.png").stat().st_size > 1000
    status, _, err = told(capsys, "plot", "s.nc", "--over", "leek", "--overwrite")
    assert status == 64 and "'leak'" in err


def test_the_plan_is_told_without_computing_anything(file, capsys):
    status, out, _ = told(capsys, "sweep", "s.toml", "--dry-run", "--json")
    found = json.loads(out)
    assert status == 0 and found["cells"] == 4 and found["seconds"] > 0.0
    assert found["batches"] >= 1 and found["megabytes"] > 10.0
    assert sorted(entry.name for entry in file.parent.iterdir()) == ["s.toml"]


def test_a_larger_sweep_keeps_the_cells_of_the_smaller_one(file, capsys):
    assert told(capsys, "sweep", "s.toml")[0] == 0
    cells = file.parent / "s" / "cells"
    written = {entry.name: entry.stat().st_mtime_ns for entry in cells.iterdir()}
    file.write_text(TEXT.replace("[0.5, 1.0]", "[0.5, 0.7, 1.0]"))
    status, out, _ = told(capsys, "sweep", "s.toml")
    assert status == 0 and "6 cells, 2 to compute" in out
    for name, moment in written.items():
        assert (cells / name).stat().st_mtime_ns == moment


def test_failed_cells_end_with_status_3_and_are_tried_again_by_resume(file, capsys, monkeypatch):
    from flowfa.sweeps import commands

    def poisoned(settings):
        raise ZeroDivisionError("poison")

    monkeypatch.setattr(commands, "problem_from", poisoned)
    status, out, _ = told(capsys, "sweep", "s.toml")
    assert status == 3 and "4 failed" in out
    assert "failed: rule = fa, leak = 0.5, seed = 0: ZeroDivisionError: poison" in out
    assert told(capsys, "sweep", "status", "s")[0] == 3
    monkeypatch.undo()
    monkeypatch.chdir(file.parent)
    status, out, _ = told(capsys, "sweep", "resume", "s")
    assert status == 0 and "4 done" in out


@pytest.mark.parametrize("words", [["sweep", "s.toml"], ["sweep", "resume", "s"]])
def test_a_second_sweep_in_one_folder_is_refused_in_one_line(file, capsys, words):
    from flowfa.sweeps import make_plan, read_definition

    SweepFolder(file.parent / "s").begin(make_plan(read_definition(file)))
    with other_writer(file.parent / "s") as process:
        status, out, err = told(capsys, *words)
    assert status == 64 and out == "" and err.count("\n") == 1
    assert f"is being written by process {process.pid}, which began" in err
    assert not any((file.parent / "s/cells").iterdir())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sweep"], "needs SWEEP.toml"),
        (["sweep", "none.toml"], "no file none.toml"),
        (["sweep", "s.toml", "--workers", "0"], "--workers"),
        (["sweep", "s.toml", "--workers", "2", "--scheduler", "tcp://x:1"], "both given"),
        (["sweep", "s.toml", "--detach"], "--scheduler"),
        (["sweep", "s.toml", "--out", "none/x"], "no folder none"),
        (["sweep", "status", "none"], "no folder of a sweep"),
        (["sweep", "resume", "."], "no folder of a sweep"),
        (["sweep", "collect", "none"], "no folder of a sweep"),
        (["sweep", "status"], "needs DIR"),
    ],
)
def test_slips_are_told_in_one_line(file, capsys, words, expected):
    status, out, err = told(capsys, *words)
    assert status == 64 and out == ""
    assert err.count("\n") == 1 and expected in err


def test_the_engine_is_the_one_that_is_asked_for(file, capsys, monkeypatch):
    from flowfa.sweeps import cluster, local

    asked = []
    monkeypatch.setattr(local, "work_side_by_side", lambda *a, **k: asked.append(a[2]))
    monkeypatch.setattr(cluster, "work_on_cluster", lambda *a, **k: asked.append(k["address"]))
    told(capsys, "sweep", "s.toml", "--workers", "3")
    told(capsys, "sweep", "s.toml", "--scheduler", "tcp://x:1", "--detach")
    assert asked == [3, "tcp://x:1"]
    assert f"{command.add_verdicts.__module__}:{command.add_verdicts.__name__}" == command.CHECKER


def test_damaged_cells_are_told_and_computed_again(file, capsys):
    assert told(capsys, "sweep", "s.toml")[0] == 0
    cut, changed, *_ = sorted((file.parent / "s/cells").iterdir())
    cut.write_bytes(cut.read_bytes()[:5000])
    text = changed.read_bytes()
    with h5py.File(changed, "r+") as run:
        run["trajectory/loss"][0, 0] += 1.0
    status, out, _ = told(capsys, "sweep", "status", "s")
    assert "3 done" in out and "1 missing" in out and "next:   flowfa sweep resume s" in out
    assert f"damaged: s/cells/{cut.name}, to be computed again" in out
    assert json.loads(told(capsys, "sweep", "status", "s", "--json")[1])["damaged"] == [
        f"s/cells/{cut.name}"
    ]
    status, out, _ = told(capsys, "sweep", "collect", "s")
    lines = out.splitlines()
    assert status == 0 and lines[0] == "2 damaged, 2 done"
    assert lines[1].startswith("damaged: s/cells/") and "delete it" in lines[1]
    assert lines[2].startswith("and 1 more")
    status, out, _ = told(capsys, "sweep", "resume", "s")
    assert status == 0 and f"damaged: s/cells/{cut.name}, computed again" in out
    assert "4 cells, 1 to compute" in out and "4 done" in out
    # What is damaged within is deleted, as the line of collect says, and then made again.
    changed.unlink()
    assert told(capsys, "sweep", "s.toml")[0] == 0 and changed.read_bytes() == text
    assert "damaged" not in told(capsys, "sweep", "collect", "s", "--overwrite")[1]


def test_verdicts_of_a_sweep_are_drawn(file, capsys):
    told(capsys, "sweep", "s.toml", "--check")
    told(capsys, "sweep", "collect", "s")
    for panel in ("margin:C-1", "verdict:C-1"):
        words = ["plot", "s.nc", "--panel", panel, "--style", "paper", "--out", f"{panel[:4]}.pdf"]
        assert told(capsys, *words)[0] == 0
        assert (file.parent / f"{panel[:4]}.pdf").stat().st_size > 1000
    status, _, err = told(capsys, "plot", "s.nc", "--panel", "margin", "--overwrite")
    assert status == 64 and "--panel is margin" in err and "margin:C-1" in err and "C-2" in err


def test_what_collect_advises_draws_a_collection_of_deviation(file, capsys):
    file.write_text(
        "command = 'deviation'\n[settings]\nsamples = 4\ndim = 3\ntrajectories = 1\nwidth = 3\n"
        "rule = ['fa']\nt_end = 0.4\npoints = 3\nfresh = 3\n"
        "dataset = 'orthogonally-separable'\n[grid]\nrates = [0.1, 0.05]\n"
    )
    assert told(capsys, "sweep", "s.toml")[0] == 0
    advised = told(capsys, "sweep", "collect", "s")[1].splitlines()[-1]
    assert "(flowfa plot s.nc)" in advised
    status, _, err = told(capsys, "plot", "s.nc")
    assert (status, err) == (0, "")


def test_a_collection_of_failed_cells_and_a_missing_one_are_told(file, capsys, monkeypatch):
    def poisoned(settings):
        raise ZeroDivisionError("poison")

    monkeypatch.setattr("flowfa.sweeps.commands.problem_from", poisoned)
    told(capsys, "sweep", "s.toml")
    told(capsys, "sweep", "collect", "s")
    status, _, err = told(capsys, "plot", "s.nc")
    assert status == 64 and "no cell of this collection is done" in err
    status, _, err = told(capsys, "plot", "missing.nc", "--over", "leak")
    assert status == 64 and "there is no file missing.nc" in err


def test_cells_that_cannot_begin_are_told_by_the_dry_run(file, capsys):
    text = TEXT.replace("width = 3\n", "").replace('rule = ["fa", "gd"]', "width = [5, [5, 5]]")
    rates = "layer_rates = [[1.0, 2.0], [1.0, 2.0, 3.0]]\n"
    file.write_text(text.replace("leak = [0.5, 1.0]\n", rates))
    status, out, _ = told(capsys, "sweep", "s.toml", "--dry-run")
    assert status == 0 and "4 cells over width, layer_rates, seed, of 2 shapes" in out
    reason = "`layer_rates` has 3 numbers for 2 layers"
    first = f"the first width = 5, layer_rates = 1-2-3, seed = 0: {reason}"
    assert f"2 cells cannot begin, {first}" in out


@pytest.mark.parametrize("words", [["--dry-run"], []])
def test_data_that_are_not_there_are_told_with_their_place(file, capsys, words):
    file.write_text(TEXT + "dataset = ['none.npz', 'gaussian']\n")
    status, out, err = told(capsys, "sweep", "s.toml", *words)
    assert (status, out) == (64, "")
    assert "grid.dataset[0] in s.toml: there is no file none.npz" in err


def test_a_cell_that_does_not_fit_into_memory_is_named(file, capsys, monkeypatch):
    def too_large(*arguments, **choices):
        raise MemoryError("2 TiB")

    monkeypatch.setattr("flowfa.sweeps.commands.simulate", too_large)
    status, _, err = told(capsys, "sweep", "s.toml", "--dry-run")
    assert status == 64 and "the cell rule = fa, leak = 0.5, seed = 0 takes more memory" in err


def test_a_folder_that_cannot_be_made_is_not_called_busy(file, capsys):
    status, _, err = told(capsys, "sweep", "s.toml", "--out", "/proc/x")
    assert status == 64 and "/proc/x could not be written" in err and "another process" not in err

"""Files that a sweep names: its cells are of what was in them when it began."""

from __future__ import annotations

import contextlib
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from flowfa.cli.main import main
from flowfa.errors import InputError
from flowfa.sweeps import cluster, work_through, worker
from tests.support.sweeps import SETTINGS, begun, contents, small_plan


def data(seed):
    generator = np.random.default_rng(seed)
    return {"X": generator.normal(size=(4, 6)), "y": np.array([1.0, -1.0, 1.0, -1.0])}


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("d.npz", **data(0))
    return tmp_path / "d.npz"


def plan_of_file(**more):
    settings = {name: SETTINGS[name] for name in ("t_end", "save", "trajectories")}
    document = {
        "settings": {**settings, "dataset": "d.npz"},
        "grid": {"width": [3, 4]},
    }
    return small_plan(**{**document, **more})


def by_batch(folder):
    cluster.run_batch(str(folder.path), [cell.digest for cell in folder.plan().cells], "")


def by_itself(folder):
    work_through(folder, folder.plan())


@pytest.mark.parametrize("work", [by_itself, by_batch])
def test_a_cell_of_data_that_have_changed_is_not_computed(file, work, monkeypatch):
    # A batch asks Dask for one thing only, so that this runs where there is none.
    config = SimpleNamespace(set=lambda **choices: contextlib.nullcontext())
    monkeypatch.setitem(sys.modules, "dask", SimpleNamespace(config=config))
    folder = begun(file.parent / "sweep", plan_of_file())
    work(folder)
    kept = contents(folder)
    folder.file(folder.plan().cells[0]).unlink()
    np.savez("d.npz", **data(1))
    with pytest.raises(InputError, match=r"d\.npz has changed since the sweep began: put the old"):
        work(folder)
    assert len(contents(folder)) == 1 and folder.failed_cells(folder.plan()) == []
    # A control: with the old data it goes on, also where the file is a new one.
    np.savez("d.npz", **data(0))
    work(folder)
    assert contents(folder) == kept


def test_a_worker_ends_where_data_have_changed_and_says_so(file, capsys):
    folder = begun(file.parent / "sweep", plan_of_file())
    np.savez("d.npz", **data(1))
    assert worker.main([str(folder.path), "0", "1", ""]) == worker.REFUSED
    assert "d.npz has changed since the sweep began" in capsys.readouterr().err
    assert contents(folder) == {}


def test_resume_names_the_file_that_has_changed_or_is_gone(file, capsys):
    document = "[settings]\ndataset = 'd.npz'\nt_end = 1.0\nsave = 3\n[grid]\nwidth = [3, 4]\n"
    (file.parent / "s.toml").write_text(document)
    assert main(["sweep", "s.toml"]) == 0
    next((file.parent / "s/cells").iterdir()).unlink()
    np.savez("d.npz", **data(1))
    capsys.readouterr()
    for done, how in ((lambda: None, "has changed"), (file.unlink, "is gone")):
        done()
        assert main(["sweep", "resume", "s"]) == 64
        said = capsys.readouterr()
        assert said.out == "" and said.err.count("\n") == 1
        assert f"{file} {how}" in said.err and "another `out`" in said.err
    assert main(["sweep", "status", "s"]) == 0, "how it stands is told all the same"
    np.savez("d.npz", **data(1))
    assert main(["sweep", "s.toml"]) == 0, "the sweep file makes cells of the new data"
    assert len(list((file.parent / "s/cells").iterdir())) == 3


def test_a_cell_of_own_code_that_has_changed_is_not_computed(file):
    (file.parent / "my.py").write_text("A = 1\n")
    settings = {**SETTINGS, "import": ["my.py"]}
    plan = small_plan(settings=settings, grid={"leak": [0.5, 1.0]})
    folder = begun(file.parent / "sweep", plan)
    (file.parent / "my.py").write_text("A = 2\n")
    with pytest.raises(InputError, match=r"my\.py has changed"):
        work_through(folder, plan)
    with pytest.raises(InputError, match=r"my\.py has changed"):
        folder.plan(same_code=True)
    assert contents(folder) == {}


def test_a_cell_of_a_start_that_has_changed_is_not_computed(file):
    start = {"W1": np.ones((1, 3, 6)), "W2": np.ones((1, 1, 3))}
    np.savez("w.npz", **start)
    settings = {name: SETTINGS[name] for name in ("samples", "dim", "t_end", "save")}
    plan = small_plan(settings={**settings, "init": "w.npz"}, grid={"leak": [0.5, 1.0]})
    folder = begun(file.parent / "sweep", plan)
    np.savez("w.npz", **{name: 2.0 * value for name, value in start.items()})
    with pytest.raises(InputError, match=r"w\.npz has changed"):
        work_through(folder, plan)


def test_an_edited_plan_does_not_give_its_cells_other_settings(file):
    folder = begun(file.parent / "sweep", small_plan())
    document = json.loads((folder.path / "plan.json").read_text())
    document["fixed"]["t_end"] = 2.0
    (folder.path / "plan.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="the plan has other settings for the cell rule = fa"):
        work_through(folder, folder.plan())


def test_a_file_called_like_a_data_set_is_not_taken_for_it(file):
    plain = small_plan()
    settings = {**SETTINGS, "dataset": "gaussian"}
    named = small_plan(settings=settings)
    (file.parent / "gaussian").write_text("notes")
    assert [c.digest for c in small_plan(settings=settings).cells] == [
        cell.digest for cell in named.cells
    ]
    assert small_plan(settings=settings).files == plain.files == {}

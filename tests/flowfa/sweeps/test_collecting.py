"""The collection of a sweep: what cells ended with, beside their settings and states."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
import xarray as xr

import flowfa
from flowfa.cli.sweep import add_verdicts
from flowfa.errors import InputError
from flowfa.files.lock import sole_writer
from flowfa.plots.phase import phase_diagram
from flowfa.records.collection import read_collection, write_collection
from flowfa.sweeps import collect, work_through
from tests.support.sweeps import SETTINGS, begun, small_plan
from tests.support.writers import in_another_thread


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    settings = {name: value for name, value in SETTINGS.items() if name != "width"}
    grid = {"rule": ["fa", ["fa", "gd"]], "width": [3, [3, 2]]}
    plan = small_plan(settings=settings, grid=grid, seeds=[0, 5])
    folder = begun(tmp_path_factory.mktemp("whole") / "sweep", plan)
    work_through(folder, plan, cells=plan.cells[:-2])
    folder.fail(plan.cells[-2], "error", "poison")
    return folder


@pytest.fixture(scope="module")
def collection(swept):
    return collect(swept, swept.plan())


def test_settings_are_coordinates_and_every_cell_has_a_status(collection):
    assert collection["rule"].values.tolist() == ["fa"] * 4 + ["fa-gd"] * 4
    assert collection["width"].values.tolist() == ["3", "3", "3-2", "3-2"] * 2
    assert collection["seed"].values.tolist() == [0, 5] * 4
    assert collection["status"].values.tolist() == ["done"] * 6 + ["failed", "missing"]
    assert collection["message"].values[-2] == "poison"
    assert json.loads(collection.attrs["swept"]) == ["rule", "width", "seed"]


def test_values_are_those_at_the_end_of_each_run_and_nan_where_there_is_none(swept, collection):
    plan = swept.plan()
    for index, cell in enumerate(plan.cells[:-2]):
        run = flowfa.load(swept.file(cell))
        trajectories, layers = len(run["trajectory"]["rule"]), len(run["trajectory"]["layer"])
        for name in ("loss", "weight_norm"):
            expected = run["trajectory"][name].values[:, -1]
            found = collection[name].values[index, :trajectories]
            np.testing.assert_array_equal(found[:, :layers] if found.ndim > 1 else found, expected)
        assert np.isnan(collection["loss"].values[index, trajectories:]).all()
        rules = collection["trajectory_rule"].values[index, :trajectories]
        assert rules.tolist() == run["trajectory"]["rule"].values.tolist()
    assert np.isnan(collection["loss"].values[-2:]).all()


def test_the_last_finite_value_counts_where_a_trajectory_ended_early(tmp_path):
    plan = small_plan(
        grid={"leak": [0.5]}, settings={**SETTINGS, "max_steps": 3, "solver": "euler", "step": 0.2}
    )
    folder = begun(tmp_path / "sweep", plan)
    work_through(folder, plan)
    loss = flowfa.load(folder.file(plan.cells[0]))["trajectory"]["loss"].values
    assert np.isnan(loss[:, -1]).all() and np.isfinite(loss[:, 1]).all()
    np.testing.assert_array_equal(collect(folder, plan)["loss"].values[0], loss[:, 1])


def test_a_swept_setting_that_is_called_like_a_variable_has_another_name(tmp_path):
    plan = small_plan(grid={"loss": ["exponential", "logistic"]})
    folder = begun(tmp_path / "sweep", plan)
    work_through(folder, plan)
    found = collect(folder, plan)
    assert found["swept_loss"].values.tolist() == ["exponential", "logistic"]
    assert found["loss"].dims == ("cell", "trajectory")
    assert json.loads(found.attrs["swept"]) == ["swept_loss"]
    figure = phase_diagram(found, "loss", ["swept_loss"])
    assert figure.axes[0].get_xlabel() == "swept_loss"


def test_a_cell_that_is_being_computed_is_running(swept):
    plan = swept.plan()
    with sole_writer(swept.file(plan.cells[-1])):
        states = in_another_thread(lambda: collect(swept, plan)["status"].values.tolist())
    assert states[-1] == "running"


def test_a_damaged_cell_is_told_and_the_others_are_collected(tmp_path):
    plan = small_plan()
    folder = begun(tmp_path / "sweep", plan)
    work_through(folder, plan)
    for index, size in ((0, 3000), (1, 0)):
        file = folder.file(plan.cells[index])
        file.write_bytes(file.read_bytes()[:size])
    found = collect(folder, plan)
    assert found["status"].values.tolist() == ["damaged", "damaged", "done", "done"]
    assert "is damaged" in found["message"].values[0]


def test_a_collection_is_read_back_from_netcdf(collection, tmp_path):
    write_collection(collection, tmp_path / "sweep.nc")
    found = read_collection(tmp_path / "sweep.nc")
    assert found is not None
    xr.testing.assert_equal(found, collection)


def test_a_collection_is_read_back_from_zarr_and_replaced(collection, tmp_path):
    pytest.importorskip("zarr")
    for _ in range(2):
        write_collection(collection, tmp_path / "sweep.zarr")
        xr.testing.assert_equal(xr.open_zarr(tmp_path / "sweep.zarr"), collection)
    found = read_collection(tmp_path / "sweep.zarr")
    assert found is not None
    xr.testing.assert_equal(found, collection)
    assert [file.name for file in tmp_path.iterdir()] == ["sweep.zarr"]


def test_a_folder_that_is_no_zarr_store_is_not_replaced(collection, tmp_path):
    pytest.importorskip("zarr")
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="no Zarr store"):
        write_collection(collection, tmp_path / "mine.zarr")
    assert (tmp_path / "mine.zarr" / "thesis.tex").exists()


def test_another_ending_is_refused(collection, tmp_path):
    with pytest.raises(InputError, match=r"\.zarr or \.nc"):
        write_collection(collection, tmp_path / "sweep.csv")


def test_a_result_is_no_collection(swept, tmp_path):
    assert read_collection(swept.file(swept.plan().cells[0])) is None
    assert read_collection(tmp_path) is None


def test_verdicts_are_in_the_cells_and_in_the_collection(tmp_path):
    plan = small_plan(check=True, grid={"leak": [0.5]})
    folder = begun(tmp_path / "sweep", plan)
    work_through(folder, plan, checker=add_verdicts)
    with h5py.File(folder.file(plan.cells[0])) as file:
        statements = file["checks/statement"].asstr()[...].tolist()
    found = collect(folder, plan).set_index(statement="statement")
    assert found["statement"].values.tolist() == statements
    assert found["verdict"].sel(statement="C-1").values.tolist() == ["holds"]
    assert found["margin"].sel(statement="C-1").values[0] > 0.0
    assert sorted(file.suffix for file in folder.cells.iterdir()) == [".nc"]

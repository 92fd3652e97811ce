"""Cells that are studies of the deviation of steps from the flow."""

from __future__ import annotations

import signal

import numpy as np
import pytest
import xarray as xr

import flowfa
from flowfa.deviation.sweep import sweep
from flowfa.errors import InputError, Interrupted
from flowfa.settings import DeviationSettings
from flowfa.sweeps import collect, work_through
from tests.support.sweeps import begun, contents, small_plan
from tests.support.watching import Watch

SETTINGS = {
    **{"samples": 4, "dim": 3, "trajectories": 2, "width": 3, "rule": ["fa", "gd"]},
    **{"t_end": 0.4, "points": 3, "fresh": 3, "dataset": "orthogonally-separable"},
}
RATES = (0.1, 0.05)


def plan_of(**more):
    document = {"command": "deviation", "settings": SETTINGS, "grid": {"rates": list(RATES)}}
    return small_plan(**{**document, **more})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a sweep over two rates; no test may change it."""
    folder = begun(tmp_path_factory.mktemp("whole") / "sweep", plan_of())
    work_through(folder, folder.plan())
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The study of the second cell, as the library makes it."""
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=0)
    problem = flowfa.Problem(data, (3,), rule=("fa", "gd"))
    settings = DeviationSettings(rates=RATES[1:], t_end=0.4, points=3, fresh=3)
    folder = tmp_path_factory.mktemp("alone") / "study"
    return sweep({"3": problem}, 2, settings, folder=folder)


def test_a_cell_is_the_study_of_its_settings_and_says_of_what(whole, study):
    file = whole.file(whole.plan().cells[1])
    with xr.open_dataset(file, group="deviation", engine="h5netcdf") as found:
        for name, variable in study.data_vars.items():
            np.testing.assert_array_equal(found[name].values, variable.values, err_msg=str(name))
            assert found[name].dims == variable.dims
    with xr.open_dataset(file, engine="h5netcdf") as root:
        assert root.attrs["config"] == study.attrs["config"]
        assert "created" not in root.attrs


def test_each_rule_rate_and_start_is_a_trajectory_of_the_collection(whole, study):
    found = collect(whole, whole.plan())
    assert found["rates"].values.tolist() == list(RATES)
    np.testing.assert_array_equal(
        found["parameters"].values[1], study["parameters"].values[0, :, :, 0, -1].ravel()
    )
    np.testing.assert_array_equal(
        found["layers"].values[1], study["layers"].values[0, :, :, 0, -1].reshape(4, -1)
    )
    assert found["trajectory_rule"].values.tolist() == [["fa", "fa", "gd", "gd"]] * 2
    assert found["trajectory_rate"].values[1].tolist() == [RATES[1]] * 4
    assert set(found["ended"].values.ravel()) == {"ok"}
    # A smaller rate strays less, which tells the two cells apart.
    assert (found["parameters"].values[1] < found["parameters"].values[0]).all()


def test_a_study_that_was_stopped_goes_on_to_the_same_bytes(whole, tmp_path):
    folder = begun(tmp_path / "sweep", whole.plan())

    def interrupt(state):
        if list(folder.cells.glob("*.work/parts/*.nc")):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        work_through(folder, folder.plan(), progress=Watch(interrupt))
    (kept,) = folder.cells.glob("*.work/parts/*.nc")
    written = kept.stat().st_mtime_ns
    done = []
    work_through(folder, folder.plan(), progress=Watch(lambda state: done.append(kept.exists())))
    assert done[0] and written, "the rule that was done is not studied again"
    assert contents(folder) == contents(whole)


def test_a_study_has_no_verdicts():
    with pytest.raises(InputError, match="no verdicts"):
        plan_of(check=True)

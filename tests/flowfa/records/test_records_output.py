"""The place of a result is checked before the run, and nothing is left there."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from flowfa.errors import InputError
from flowfa.records import RecordLayout, check_output, checkpoint_folder


@pytest.fixture
def layout():
    return RecordLayout(
        trajectories=1,
        save_times=np.array([0.0, 1.0]),
        snapshot_columns=(0, 1),
        layers=2,
        neuron_layer=np.array([1]),
        neuron_index=np.array([0]),
        weights={"W1": (1, 4), "W2": (1, 1)},
        feedback={},
        rules=("gd",),
        starts=np.array([0]),
    )


def test_output_is_checked_before_the_run_and_nothing_is_left(tmp_path, layout):
    check_output(tmp_path / "run.nc", False, layout)
    with pytest.raises(InputError, match=r"no folder .*absent"):
        check_output(tmp_path / "absent" / "run.nc", False, layout)
    with pytest.raises(InputError, match="is a directory"):
        check_output(tmp_path, True, layout)
    with pytest.raises(InputError, match="cannot be written"):
        check_output(tmp_path / ("n" * 250), False, layout)
    with pytest.raises(InputError, match="no regular file"):
        check_output("/dev/null", True, layout)
    assert list(tmp_path.iterdir()) == []


def test_folder_without_permission_is_told(tmp_path, layout, monkeypatch):
    # Root may write anywhere: the refusal of the system is imitated.
    def refuse(self, mode):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(InputError, match="Permission denied"):
        check_output(tmp_path / "run.nc", False, layout)


def test_too_little_room_is_told_with_what_is_needed_and_free(tmp_path, layout, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 5, 5 * 2**10))
    with pytest.raises(InputError, match=r"needs about 1 MiB .* has 5 KiB"):
        check_output(tmp_path / "run.nc", False, layout)


def test_file_in_the_place_of_the_checkpoint_is_told(tmp_path, layout):
    checkpoint_folder(tmp_path / "run.nc").write_text("mine")
    with pytest.raises(InputError, match=r"run\.nc\.checkpoint is in the place"):
        check_output(tmp_path / "run.nc", False, layout)

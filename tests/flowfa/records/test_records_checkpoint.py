"""Checkpoints: whole or not there, never half, and of the run that asks for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowfa.errors import InputError
from flowfa.records import Checkpoint, checkpoint_folder, compare_configurations

ARRAYS = {
    "state": np.array([[1.0, np.nan], [-0.0, np.nextafter(1.0, 2.0)]]),
    "file": np.array(["ok", "läuft"]),
    "step": np.array(7),
}
META = {"configuration": {"rtol": 0.1 + 0.2}, "manifest": ["chunk-000000.npz"]}


@pytest.fixture
def checkpoint(tmp_path):
    made = Checkpoint(checkpoint_folder(tmp_path / "run.nc"))
    made.write(ARRAYS, META)
    return made


def test_folder_is_named_after_the_result(tmp_path):
    assert checkpoint_folder(tmp_path / "a.b.nc") == tmp_path / "a.b.nc.checkpoint"


def test_checkpoint_is_read_back_bit_for_bit(checkpoint):
    arrays, meta = checkpoint.read()
    assert meta == META
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
        assert arrays[name].tobytes() == array.tobytes()


def test_nothing_is_pickled(checkpoint):
    with pytest.raises(TypeError, match="pickled"):
        checkpoint.write({"state": np.array([object()])}, {})
    with pytest.raises(TypeError):
        checkpoint.write({}, {"state": object()})
    assert checkpoint.read()[1] == META


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_failure_at_any_step_leaves_the_previous_checkpoint(checkpoint, monkeypatch, step):
    def fail(*_, **__):
        raise OSError(28, "no space")

    monkeypatch.setattr(*((np, "savez") if step == "write" else (os, step)), fail)
    with pytest.raises(InputError, match="No space left on device"):
        checkpoint.write({"state": np.zeros(3)}, {})
    monkeypatch.undo()
    assert checkpoint.read()[1] == META
    assert [path.name for path in checkpoint.folder.iterdir()] == ["state.npz"]


@pytest.mark.parametrize("instant", ["before", "after"])
def test_kill_around_the_replacement_leaves_a_whole_checkpoint(checkpoint, instant):
    script = f"""
import os, signal, sys
import numpy as np
from flowfa.records.checkpoint import Checkpoint
replace = os.replace
def killed(*names):
    {"replace(*names)" if instant == "after" else "pass"}
    os.kill(os.getpid(), signal.SIGKILL)
os.replace = killed
Checkpoint(sys.argv[1]).write({{"state": np.zeros(3)}}, {{"new": True}})
"""
    result = subprocess.run([sys.executable, "-c", script, checkpoint.folder], check=False)
    assert result.returncode == -signal.SIGKILL
    assert checkpoint.read()[1] == ({"new": True} if instant == "after" else META)
    checkpoint.write({}, {"next": 1})
    assert [path.name for path in checkpoint.folder.iterdir()] == ["state.npz"]


@given(data=st.data())
def test_damage_is_told_or_harmless(tmp_path_factory, data):
    checkpoint = Checkpoint(tmp_path_factory.mktemp("run") / "run.nc.checkpoint")
    checkpoint.write(ARRAYS, META)
    file = checkpoint.folder / "state.npz"
    content = bytearray(file.read_bytes())
    if data.draw(st.booleans(), label="truncated"):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    try:
        arrays, meta = checkpoint.read()
    except InputError as error:
        assert "`overwrite=True`" in str(error)
        assert "\n" not in str(error)
    else:
        assert meta == META
        assert all(arrays[name].tobytes() == array.tobytes() for name, array in ARRAYS.items())


def test_missing_checkpoint_is_told(tmp_path):
    checkpoint = Checkpoint(tmp_path / "run.nc.checkpoint")
    assert not checkpoint.exists()
    with pytest.raises(InputError, match="no checkpoint"):
        checkpoint.read()


def test_removal_takes_the_folder_but_no_file_of_another(checkpoint):
    (checkpoint.folder / "chunk-000000.npz").write_bytes(b"")
    (checkpoint.folder / ".state.npz.unfinished").write_bytes(b"")
    mine = checkpoint.folder / "notes.txt"
    mine.write_text("mine")
    checkpoint.remove()
    assert [path.name for path in checkpoint.folder.iterdir()] == ["notes.txt"]
    mine.unlink()
    checkpoint.remove()
    assert not checkpoint.folder.exists()
    checkpoint.remove()


def test_equal_configurations_agree_although_json_turned_tuples_into_lists():
    compare_configurations(
        {"widths": [64, 32], "scale": float("nan"), "t_end": 100},
        {"widths": (64, 32), "scale": float("nan"), "t_end": 100.0},
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rtol": 1e-5, "data": {"n": 3}}, r"rtol = 1e-06, this command 1e-05"),
        ({"rtol": 1e-6, "data": {"n": 4}}, r"data\.n = 3, this command 4"),
        ({"rtol": 1e-6, "data": {}}, r"data\.n = 3, this command none"),
        ({"rtol": 1e-6, "data": {"n": 3}, "bias": "all"}, r'bias = none, this command "all"'),
    ],
)
def test_first_difference_is_named_with_both_values(given, message):
    stored = {"rtol": 1e-6, "data": {"n": 3}}
    with pytest.raises(InputError, match=message):
        compare_configurations(stored, given)

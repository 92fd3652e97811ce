"""Every file that flowfa reads, damaged: it is read, or refused in a line, and nothing else."""

from __future__ import annotations

import io
import json
import time
import warnings
import zipfile

import h5py
import numpy as np
import pytest

import flowfa
from flowfa.errors import FlowfaError, InputError
from flowfa.problems.starts import load_start
from flowfa.records import Checkpoint
from flowfa.records.arrays import DamagedError, read_arrays, write_arrays
from flowfa.records.collection import read_collection, write_collection
from flowfa.settings import SimulateSettings, from_toml
from flowfa.simulation.unfinished import load_unfinished
from flowfa.sweeps import SweepFolder, collect, read_definition, work_through
from flowfa.sweeps.ends import read_end
from tests.support.damage import SOAK, cut, flipped
from tests.support.sweeps import begun, small_plan
from tests.support.watching import Watch

CUTS, FLIPS = (10**6, 150) if SOAK else (8, 8)
LONGEST = 20.0
"""Seconds in which any file is read or refused."""


class Killed(Exception):
    """As a kill does, it leaves no time to tidy up."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A whole file of each kind, by kind; no test may change them."""
    place = tmp_path_factory.mktemp("whole")
    data = flowfa.datasets.gaussian(samples=3, dim=4, seed=0)
    problem = flowfa.Problem(data, (2,), rule="fa")
    flowfa.simulate(problem, 2, t_end=1.0, save=3, path=place / "run.nc")
    np.savez(place / "data.npz", X=data.X, y=data.y)
    np.savez(place / "start.npz", W1=np.ones((2, 4)), W2=np.ones((1, 2)))

    def kill(state):
        if state.trajectories.steps > 30:
            raise Killed

    with pytest.raises(Killed):
        flowfa.train(
            problem, 2, steps=40, path=place / "killed.nc", checkpoint_every=1e-9,
            progress=Watch(kill),
        )  # fmt: skip
    plan = small_plan(grid={"leak": [0.5]})
    folder = begun(place / "sweep", plan)
    work_through(folder, plan)
    write_collection(collect(folder, plan), place / "collection.nc")
    (place / "config.toml").write_text('rule = ["gd", "fa"]\nwidth = [64, 32]\nt_end = 50.0\n')
    (place / "sweep.toml").write_text("seeds = 3\n[settings]\ndim = 4\n[grid]\nleak = [0.1, 0.2]\n")
    killed = place / "killed.nc.checkpoint"
    files = {
        "result": place / "run.nc",
        "data": place / "data.npz",
        "start": place / "start.npz",
        "state": killed / "state.npz",
        "outline": killed / "outline.npz",
        "chunk": sorted(killed.glob("chunk-*.npz"))[0],
        "cell": folder.file(plan.cells[0]),
        "plan": folder.path / "plan.json",
        "collection": place / "collection.nc",
        "config": place / "config.toml",
        "definition": place / "sweep.toml",
    }
    return {kind: (file.name, file.read_bytes()) for kind, file in files.items()}, killed


def in_checkpoint(path):
    return load_unfinished(path.parent)


READERS = {
    "result": flowfa.load,
    "data": flowfa.datasets.load_npz,
    "start": load_start,
    "state": lambda path: Checkpoint(path.parent).read(),
    "outline": in_checkpoint,
    "chunk": in_checkpoint,
    "cell": read_end,
    "plan": lambda path: SweepFolder(path.parent).plan(),
    "collection": read_collection,
    "config": lambda path: from_toml(path, SimulateSettings),
    "definition": read_definition,
}


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_file_is_read_or_refused_in_a_line(whole, tmp_path, kind, damage):
    files, killed = whole
    name, content = files[kind]
    if kind in ("outline", "chunk"):
        for file in killed.iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    before = {entry.name for entry in tmp_path.iterdir()} | {name}
    versions = cut(content, CUTS) if damage == "cut" else flipped(content, FLIPS)
    refused = 0
    for damaged in versions:
        (tmp_path / name).write_bytes(damaged)
        start = time.monotonic()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                READERS[kind](tmp_path / name)
        except FlowfaError as error:
            refused += 1
            assert "\n" not in str(error)
        assert time.monotonic() - start < LONGEST
    assert {entry.name for entry in tmp_path.iterdir()} == before
    if damage == "cut" and kind not in ("config", "definition"):
        assert refused, "the damage was not seen at all"


def same(first, second):
    """Return whether two nested results hold the same numbers."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, np.ndarray):
        return np.array_equal(first, second, equal_nan=first.dtype.kind == "f")
    return first == second


CHECKED = {
    "state": READERS["state"],
    "outline": read_arrays,
    "chunk": read_arrays,
    "cell": read_end,
}


@pytest.mark.parametrize("kind", CHECKED)
def test_a_bit_that_is_turned_over_in_a_checkpoint_or_a_cell_changes_no_number(
    whole, tmp_path, kind
):
    """They have checksums: what is read is what was written, or nothing is read."""
    name, content = whole[0][kind]
    path = tmp_path / name
    path.write_bytes(content)
    expected = CHECKED[kind](path)
    refused = 0
    for damaged in flipped(content, 10 * FLIPS, seed=1):
        path.write_bytes(damaged)
        try:
            found = CHECKED[kind](path)
        except (FlowfaError, DamagedError):
            refused += 1
        else:
            assert same(found, expected)
    assert refused


def test_a_header_that_asks_for_less_than_there_is_is_refused(tmp_path):
    """The check sum of an archive is compared only by who reads an array to its end."""
    write_arrays(tmp_path / "state.npz", {"x": np.arange(6000.0).reshape(3, 2000)})
    content = (tmp_path / "state.npz").read_bytes()
    assert len(read_arrays(tmp_path / "state.npz")["x"]) == 3
    # One bit of the header: 3 rows become 1.
    (tmp_path / "state.npz").write_bytes(content.replace(b"(3, 2000)", b"(1, 2000)"))
    with pytest.raises(DamagedError, match="says that it has"):
        read_arrays(tmp_path / "state.npz")


def test_an_archive_of_which_some_is_passed_over_is_refused(tmp_path):
    """The length of the list of arrays, near its end, says where it begins."""
    path = tmp_path / "state.npz"
    write_arrays(path, {"x": np.ones(3), "y": np.ones(4)})
    assert set(read_arrays(path)) == {"x", "y"}
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(tmp_path / "less.npz", "w") as less:
        for name in archive.namelist():
            if name != "array/y.npy":
                less.writestr(name, archive.read(name))
    with pytest.raises(DamagedError, match="some of its arrays are missing"):
        read_arrays(tmp_path / "less.npz")


def npy(shape):
    """The bytes of an array whose header promises a shape, and that holds three numbers."""
    stream = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + b"\0" * 24


@pytest.mark.parametrize("shape", [(10**15,), (2**40, 2**40, 2**40), (10**6, 10**6)])
def test_a_header_that_asks_for_terabytes_is_refused_at_once(tmp_path, shape):
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("X.npy", npy(shape))
        archive.writestr("y.npy", npy((3,)))
    start = time.monotonic()
    with pytest.raises(InputError, match="says that it has"):
        flowfa.datasets.load_npz(tmp_path / "data.npz")
    with pytest.raises(DamagedError, match="says that it has"):
        read_arrays(tmp_path / "data.npz")
    assert time.monotonic() - start < 5.0


def test_an_archive_that_unfolds_to_more_than_the_memory_is_refused(tmp_path, monkeypatch):
    """With little memory, since a bomb of real size takes long to make."""
    np.savez_compressed(tmp_path / "data.npz", X=np.zeros((2000, 500)), y=np.ones(2000))
    assert (tmp_path / "data.npz").stat().st_size < 50_000
    monkeypatch.setattr("flowfa.files.sizes.physical_memory", lambda: 2**22)
    with pytest.raises(InputError, match="unfolds to"):
        flowfa.datasets.load_npz(tmp_path / "data.npz")


def test_names_in_an_archive_write_nothing_outside(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    with zipfile.ZipFile(inside / "data.npz", "w") as archive:
        for name in ("../escaped", "/tmp/escaped", "X", "y"):
            archive.writestr(f"{name}.npy", npy((3,)))
    with pytest.raises(FlowfaError):
        flowfa.datasets.load_npz(inside / "data.npz")
    assert [entry.name for entry in tmp_path.rglob("*")] == ["inside", "data.npz"]


def test_a_result_that_asks_for_terabytes_is_refused_at_once(whole, tmp_path):
    name, content = whole[0]["result"]
    path = tmp_path / name
    path.write_bytes(content)
    with h5py.File(path, "r+") as file:
        del file["trajectory/loss"]
        file["trajectory"].create_dataset("loss", (2**30, 2**30), "f8", chunks=(1024, 1024))
    start = time.monotonic()
    with pytest.raises(InputError, match="asks for"):
        flowfa.load(path)
    with pytest.raises(InputError, match="damaged"):
        read_end(path)
    assert time.monotonic() - start < 5.0


def test_a_changed_number_in_a_cell_is_found(whole, tmp_path):
    name, content = whole[0]["cell"]
    path = tmp_path / name
    path.write_bytes(content)
    read_end(path)
    with h5py.File(path, "r+") as file:
        file["trajectory/loss"][0, -1] *= 1.0 + 1e-12
    with pytest.raises(InputError, match="loss was changed after it was written"):
        read_end(path)


@pytest.mark.parametrize("kind", ["result", "cell", "collection"])
def test_a_file_of_a_newer_layout_is_refused_and_one_without_a_version_is_read(
    whole, tmp_path, kind
):
    name, content = whole[0][kind]
    path = tmp_path / name
    path.write_bytes(content)
    with h5py.File(path, "r+") as file:
        assert file.attrs["schema"] == 1
        file.attrs["schema"] = 2
    with pytest.raises(InputError, match=r"has the layout 2 .* reads up to 1: update flowfa"):
        READERS[kind](path)
    with h5py.File(path, "r+") as file:
        del file.attrs["schema"]
    READERS[kind](path)
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = "one"
    with pytest.raises(InputError, match="attribute schema is 'one'"):
        READERS[kind](path)


def test_a_plan_of_a_newer_format_is_refused(whole, tmp_path):
    document = json.loads(whole[0]["plan"][1])
    (tmp_path / "plan.json").write_text(json.dumps(document | {"format": 99}))
    with pytest.raises(InputError, match="format 99 is not 1"):
        SweepFolder(tmp_path).plan()

"""Attributes of a result that were damaged: one clear line that names it, or no harm done."""

from __future__ import annotations

import json
import shutil

import h5py
import numpy as np
import pytest

import flowfa
from flowfa.cli.main import main
from flowfa.errors import InputError
from flowfa.records import load
from flowfa.records.attributes import checked_attributes, decoded
from flowfa.records.dataset_file import read_dataset
from flowfa.studies.parts import BEGUN, Parts
from theory_checks.verdicts.check import check
from theory_checks.verdicts.stored import store

OF_THE_ROOT = (
    "argv",
    "checksums",
    "config",
    "created",
    "device",
    "dtype",
    "git_revision",
    "kind",
    "schema",
    "seed",
    "solve_seconds",
    "status",
    "threads",
    "versions",
)
OF_JSON = ("argv", "checksums", "config", "versions")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run.nc"
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=0)
    flowfa.simulate(flowfa.Problem(data, (2,)), 1, t_end=0.5, save=2, path=path)
    store(check(str(path), ["C-1"]), path)
    return path


@pytest.fixture
def file(whole, tmp_path):
    return shutil.copy(whole, tmp_path / "run.nc")


def damaged(value, place, mask):
    """Return an attribute with one byte changed; a zero byte ends a text, as it does in HDF5."""
    content = value.encode() if isinstance(value, str) else value.tobytes()
    place = round(place * (len(content) - 1))
    changed = bytearray(content)
    changed[place] = 0 if mask == 0 else changed[place] ^ mask
    if isinstance(value, str):
        return bytes(changed).split(b"\0")[0]
    return np.frombuffer(bytes(changed), dtype=value.dtype).reshape(value.shape)


def replace(holder, name, value):
    if isinstance(value, str | bytes):
        holder.attrs.create(name, value, dtype=h5py.string_dtype("utf-8"))
    else:
        holder.attrs.modify(name, value)


def test_every_attribute_of_the_root_is_looked_at(whole):
    with h5py.File(whole) as stored:
        assert sorted(set(stored.attrs) - {"_NCProperties"}) == sorted(OF_THE_ROOT)


@pytest.mark.parametrize("name", OF_THE_ROOT)
def test_byte_that_was_changed_is_told_or_harmless(whole, tmp_path, name):
    """Each change goes through HDF5, so that texts come back as readers give them."""
    file = tmp_path / "attribute.h5"
    with h5py.File(whole) as stored:
        value = stored.attrs[name]
    for mask in (0, 1, 2, 0x80):
        for place in (0.0, 0.1, 0.3, 0.6, 0.9, 1.0):
            with h5py.File(file, "w") as changed:
                replace(changed, name, damaged(value, place, mask))
                attributes = dict(changed.attrs)
            try:
                content = decoded(attributes, "run.nc")
            except InputError as error:
                assert f"attribute {name}" in str(error) and "\n" not in str(error)
            else:
                json.dumps(content, ensure_ascii=False).encode()


@pytest.mark.parametrize("name", OF_JSON)
@pytest.mark.parametrize("text", ["", "{", "3", "null", '"a"', "[" * 100_000])
def test_document_of_another_kind(name, text):
    with pytest.raises(InputError, match=f"attribute {name}"):
        checked_attributes({name: text}, "run.nc")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threads", 0),
        ("solve_seconds", np.nan),
        ("solve_seconds", -1.0),
        ("seed", 0.5),
        ("seed", "three"),
        ("status", 3),
        ("created", "yesterday"),
        ("dtype", "float65"),
        ("kind", "flaw"),
        ("argv", "[1]"),
        ("versions", '{"flowfa": 3}'),
    ],
)
def test_value_that_is_impossible(name, value):
    with pytest.raises(InputError, match=f"attribute {name}"):
        checked_attributes({name: value}, "run.nc")


@pytest.mark.parametrize("name", OF_JSON)
def test_command_line_answers_in_one_line(file, capsys, name):
    with h5py.File(file, "r+") as stored:
        replace(stored, name, stored.attrs[name][:-1])
    assert main(["info", str(file)]) == 64
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"attribute {name}" in said


def test_report_of_the_checks_that_was_changed(file):
    with h5py.File(file, "r+") as stored:
        replace(stored["checks"], "report", stored["checks"].attrs["report"][:-1])
    with pytest.raises(InputError, match="attribute report"):
        load(file)


def names_of_variables(file):
    with h5py.File(file) as stored:
        names = []
        stored.visititems(
            lambda name, entry: names.append(name) if "long_name" in entry.attrs else 0
        )
    return names


def test_text_of_a_variable_that_is_no_text(whole, tmp_path):
    for name in names_of_variables(whole)[::6]:
        file = shutil.copy(whole, tmp_path / "run.nc")
        with h5py.File(file, "r+") as stored:
            replace(stored[name], "long_name", b"loss\xff")
        with pytest.raises(InputError, match=f"long_name of /{name} is no text"):
            load(file)


def test_number_that_would_be_taken_for_missing(file):
    """A reader hides every value that equals it, so that data would change unseen."""
    with h5py.File(file, "r+") as stored:
        values = stored["trajectory/loss"]
        values.attrs["_FillValue"] = np.array([values[0, 0]])
    with pytest.raises(InputError, match="_FillValue of /trajectory/loss"):
        load(file)


def test_part_of_a_study_that_is_damaged(file):
    with open(file, "r+b") as stream:
        stream.truncate(100)
    with pytest.raises(InputError, match="damaged or incomplete"):
        read_dataset(file)


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"asked": 3, "threads": 1})])
def test_settings_of_a_study_that_are_damaged(tmp_path, text):
    parts = Parts(tmp_path / "parts")
    parts.begin({"rate": 0.1})
    (parts.folder / BEGUN).write_text(text)
    with pytest.raises(InputError, match="cannot be read"):
        parts.go_on({"rate": 0.1})

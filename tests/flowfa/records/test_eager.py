"""Results read at once are what xarray reads of the same file."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest
import xarray as xr

import flowfa
import theory_checks
from flowfa.problems import Problem
from flowfa.records import load
from flowfa.records.eager import read_tree

DATA = flowfa.datasets.gaussian(samples=4, dim=3, seed=0)


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    """Of rules of several kinds, extendable, with observables and verdicts."""
    path = tmp_path_factory.mktemp("flow") / "run.nc"
    problem = Problem(DATA, (3,), rule=("fa", "adafa", "kolen-pollack"), bias="all")
    observed = ("normalised-margin", "dead-neurons")
    flowfa.simulate(problem, 2, t_end=0.1, save=3, observe=observed, path=path).tree.close()
    theory_checks.store(theory_checks.check(path, only=["C-1", "Eq-1"]), path)
    return path


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    path = tmp_path_factory.mktemp("training") / "run.nc"
    flowfa.train(Problem(DATA, (3, 2)), 1, rate=(0.1, 0.2), steps=3, path=path).tree.close()
    return path


@pytest.fixture(params=["flow", "training"])
def file(request, tmp_path):
    return shutil.copy(request.getfixturevalue(request.param), tmp_path / "run.nc")


def at_once(path):
    with h5py.File(path) as file:
        return read_tree(file)


def by_xarray(path):
    with xr.open_datatree(path, engine="h5netcdf", phony_dims="sort") as tree:
        return tree.load()


def test_the_tree_is_that_of_xarray_in_every_type_and_order(file):
    found, expected = at_once(file), by_xarray(file)
    xr.testing.assert_identical(found, expected)
    for one, other in zip(found.subtree, expected.subtree, strict=True):
        left, right = one.to_dataset(inherit=False), other.to_dataset(inherit=False)
        assert list(left.variables) == list(right.variables)
        assert list(left.indexes) == list(right.indexes)
        for own, others in zip(left.variables.values(), right.variables.values(), strict=True):
            assert own.dtype == others.dtype and own.dims == others.dims
            assert [type(value) for value in own.attrs.values()] == [
                type(value) for value in others.attrs.values()
            ]
            assert own.encoding.get("coordinates") == others.encoding.get("coordinates")
            assert ("_FillValue" in own.encoding) == ("_FillValue" in others.encoding)


def attribute(name, value, of="trajectory/loss"):
    """A change of a file: an attribute that means something to xarray."""
    return lambda file: file[of].attrs.__setitem__(name, value)


CHANGES = {
    "scaled": attribute("scale_factor", 2.0),
    "of-time": attribute("units", "s"),
    "missing-number": attribute("_FillValue", 3, of="solver/steps"),
    "absent-coordinate": attribute("coordinates", "nowhere"),
    "list-of-texts": attribute("note", ["one", "two"]),
    "deeper-group": lambda file: file.create_group("solver/more"),
    "at-the-root": lambda file: file.create_dataset("number", data=1.0),
    "without-dimensions": lambda file: file.create_dataset("solver/plain", data=np.ones(7)),
    "other-bytes": lambda file: file.create_dataset("solver/word", data=np.float64(1), dtype=">f8"),
    "bytes": lambda file: file.create_dataset("solver/word", data=np.bytes_(b"abc")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_flowfa_does_not_write_is_left_to_xarray(file, change):
    with h5py.File(file, "r+") as opened:
        CHANGES[change](opened)
    assert at_once(file) is None


def test_a_small_result_that_is_asked_for_value_by_value_is_read_at_once(flow, tmp_path):
    path = shutil.copy(flow, tmp_path / "run.nc")
    tree = load(path, lazy=True)
    with h5py.File(path, "r+") as file:
        file["trajectory/loss"][...] = 0.0
    assert (tree["trajectory"]["loss"].values > 0.0).all()


def test_a_large_result_is_not(flow, tmp_path, monkeypatch):
    monkeypatch.setattr("flowfa.records.reader.MOST_AT_ONCE", 1000)
    tree = load(shutil.copy(flow, tmp_path / "run.nc"), lazy=True)
    try:
        assert not tree["trajectory"]["loss"].variable._in_memory
    finally:
        tree.close()

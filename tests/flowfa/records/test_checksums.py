"""What was changed in a result after it was written is named before anything is integrated."""

from __future__ import annotations

import itertools
import json
import shutil
import signal

import h5py
import numpy as np
import pytest
import xarray as xr

import flowfa
import theory_checks
from flowfa.cli.main import main
from flowfa.errors import Interrupted
from flowfa.records import checksums, load
from flowfa.records.checksums import CHECKSUMS, OF_ATTRIBUTES, find_changes, of_group
from tests.support.watching import Watch
from theory_checks.verdicts.stored import store


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run.nc"
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=0)
    problem = flowfa.Problem(data, (3,), rule=("fa", "gd"), bias="hidden")
    flowfa.simulate(problem, 2, t_end=1.0, save=5, path=path)
    store(theory_checks.check(str(path), ["C-1"]), path)
    return path


@pytest.fixture
def file(whole, tmp_path):
    return shutil.copy(whole, tmp_path / "run.nc")


def variables(path):
    with h5py.File(path) as stored:
        return [
            f"{group}/{name}"
            for group in stored
            for name in json.loads(stored[group].attrs[CHECKSUMS])
            if not name.startswith(OF_ATTRIBUTES)
        ]


def changed(values):
    """Return an array with one entry changed, as little as its kind has it."""
    values = np.array(values)
    if values.dtype.kind not in "fi":
        values.flat[-1] = "other"[: len(str(values.flat[-1]))] if values.flat[-1] else "o"
    elif values.dtype.kind == "i":
        values.flat[-1] += 1
    else:
        values.flat[-1] = 0.0 if np.isnan(values.flat[-1]) else np.nextafter(values.flat[-1], 9e9)
    return values


def test_every_variable_has_a_checksum(whole):
    tree = load(whole)
    named = {
        f"{node.path[1:]}/{name}" for node in tree.children.values() for name in node.variables
    }
    assert set(variables(whole)) == named
    assert find_changes(tree) == []


def test_every_change_of_a_variable_is_named(whole):
    """One entry of each, by one unit in the last place: no change is too small to be told."""
    tree = load(whole)
    for name in variables(whole):
        group, variable = name.split("/")
        copy = tree.copy(deep=True)
        old = copy[group].to_dataset(inherit=False)[variable]
        new = xr.Variable(old.dims, changed(old.values), old.attrs)
        dataset = copy[group].to_dataset(inherit=False).drop_vars(variable)
        coordinate = variable in copy[group].coords
        dataset = (
            dataset.assign_coords({variable: new})
            if coordinate
            else dataset.assign({variable: new})
        )
        copy[group] = xr.DataTree(dataset)
        assert find_changes(copy) == [f"/{name} was changed after it was written"]


def test_every_change_of_an_attribute_is_named(whole):
    tree = load(whole)
    for name, value in tree.attrs.items():
        if name == CHECKSUMS:
            continue
        copy = tree.copy()
        copy.attrs[name] = f"{value} " if isinstance(value, str) else value * 1.01 + 1
        assert find_changes(copy) == [f"the attribute {name} was changed after it was written"]
        del copy.attrs[name]
        assert find_changes(copy) == [f"the attribute {name} was removed after it was written"]


def test_every_change_of_an_attribute_of_a_group_is_named(whole):
    tree = load(whole)
    assert "report" in tree["checks"].attrs
    for node in tree.children.values():
        for name, value in node.attrs.items():
            if name == CHECKSUMS:
                continue
            copy = tree.copy()
            copy[node.name].attrs[name] = value.replace("holds", "violated", 1)
            what = f"the attribute {name} of {node.path}"
            assert find_changes(copy) == [f"{what} was changed after it was written"]
            del copy[node.name].attrs[name]
            assert find_changes(copy) == [f"{what} was removed after it was written"]


CHANGES = {
    **{
        f"trajectory/{name}": lambda values: 1.1 * values
        for name in (
            "gradient_norm",
            "update_norm",
            "cosine",
            "weight_norm",
            "alignment",
            "conservation_drift",
            "accuracy",
        )
    },
    "neurons/kappa": lambda values: 1.1 * values,
    "trajectory/loss": lambda values: (1.0 + 1e-5) * values,
    "trajectory/time": lambda values: 1.0001 * values,
    "weights/W1": lambda values: values + 1e-8,
    "solver/repelling": lambda values: values + 7,
}


@pytest.mark.parametrize("name", CHANGES)
def test_change_is_told_in_one_line_before_anything_is_integrated(file, capsys, monkeypatch, name):
    monkeypatch.setattr("theory_checks.verdicts.check.check_evidence", integrates)
    with h5py.File(file, "r+") as stored:
        stored[name][...] = CHANGES[name](stored[name][()])
    assert main(["check", str(file)]) == 64
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"/{name} was changed after it was written" in said


def integrates(*arguments, **keywords):
    raise AssertionError("it was integrated")


def test_looser_tolerance_is_told(file, capsys):
    with h5py.File(file, "r+") as stored:
        settings = json.loads(stored.attrs["config"])
        stored.attrs["config"] = json.dumps(settings | {"rtol": 1e-2})
    assert main(["check", str(file)]) == 64
    assert "the attribute config was changed after it was written" in capsys.readouterr().err


def test_removed_variable_is_told(file):
    with h5py.File(file, "r+") as stored:
        del stored["neurons/kappa"]
    with pytest.raises(flowfa.InputError, match="/neurons/kappa was removed"):
        theory_checks.check(str(file), ["C-1"])


def test_more_variables_are_no_change(file):
    with h5py.File(file, "r+") as stored:
        stored["trajectory/mine"] = np.zeros(3)
    assert find_changes(load(file)) == []


def test_file_without_checksums_is_as_good(file):
    with h5py.File(file, "r+") as stored:
        for group in (stored, *stored.values()):
            del group.attrs[CHECKSUMS]
    assert theory_checks.check(str(file), ["C-1"]).exit_code == 0


def test_verdicts_stored_again_are_no_change(file):
    store(theory_checks.check(str(file), ["C-1", "record"]), file)
    assert find_changes(load(file)) == []


def test_result_that_was_read_changed_and_saved_is_told(file, tmp_path):
    run = flowfa.Run.open(file)
    loss = run.tree["trajectory"]["loss"]
    run.tree["trajectory"] = run.tree["trajectory"].assign(loss=1.1 * loss)
    run.save(tmp_path / "other.nc")
    assert find_changes(load(tmp_path / "other.nc")) == [
        "/trajectory/loss was changed after it was written"
    ]


def test_run_in_memory_gets_its_checksums_when_it_is_saved(tmp_path):
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=0)
    run = flowfa.simulate(flowfa.Problem(data, (3,)), 1, t_end=1.0, save=5)
    run.save(tmp_path / "run.nc")
    tree = load(tmp_path / "run.nc")
    assert find_changes(tree) == []
    assert all(CHECKSUMS in node.attrs for node in tree.subtree)


def stops_at(calls):
    """Return a display that asks to stop, as Ctrl-C does, when it was told so often."""
    told = itertools.count(1)

    def act(state):
        if next(told) == calls:
            signal.raise_signal(signal.SIGINT)

    return Watch(act)


def test_resumed_run_has_the_checksums_of_the_uninterrupted(tmp_path):
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=0)
    problem = flowfa.Problem(data, (3,))
    settings = {"rate": 0.1, "steps": 60, "save": 7, "checkpoint_every": 1e-9}
    flowfa.train(problem, 2, path=tmp_path / "whole.nc", **settings)

    with pytest.raises(Interrupted):
        flowfa.train(problem, 2, path=tmp_path / "run.nc", progress=stops_at(3), **settings)
    flowfa.train(problem, 2, path=tmp_path / "run.nc", resume=True, **settings)
    whole, resumed = load(tmp_path / "whole.nc"), load(tmp_path / "run.nc")
    assert find_changes(resumed) == []
    for group in ("trajectory", "weights", "neurons", "data"):
        assert whole[group].attrs[CHECKSUMS] == resumed[group].attrs[CHECKSUMS]


@pytest.mark.parametrize("block", [8, 100, 2**26])
def test_digest_does_not_depend_on_the_blocks_that_are_looked_at(monkeypatch, tmp_path, block):
    values = np.random.default_rng(0).standard_normal((3, 4, 5))
    # Another pattern of bits, with the sign set, that is no number either.
    values[1, 2, 3] = -np.nan
    text = np.array(["ok", "\N{GREEK SMALL LETTER ALPHA}"], dtype=object)
    expected = of_group({"a": values, "b": text, "c": np.float64(3.0), "d": np.zeros((0, 2))})
    monkeypatch.setattr(checksums, "_BLOCK_BYTES", block)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"], file["c"], file["d"] = np.where(values > 9, 0, values), 3.0, np.zeros((0, 2))
        file.create_dataset("b", data=text, dtype=h5py.string_dtype("utf-8"))
        assert of_group(file) == expected

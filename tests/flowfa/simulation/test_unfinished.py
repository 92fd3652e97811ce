"""A run that is not finished is checked as far as it got, and says so."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

import flowfa
from flowfa.cli.main import main
from flowfa.records import checkpoint_folder
from flowfa.simulation.unfinished import load_run
from tests.support.checksums import without_checksums


class Killed(Exception):
    """As a kill does, it leaves no time to tidy up."""


class KillsLater:
    """Progress that ends the process, as it were, some steps after the beginning."""

    def __init__(self, calls):
        self.calls = calls

    def update(self, state):
        self.calls -= 1
        if self.calls < 0:
            raise Killed

    def close(self):
        pass


def begin(path, progress=None):
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=0)
    problem = flowfa.Problem(data, (3,), rule=("fa", "gd"))
    options = {"solver": "dopri5", "rtol": 1e-6, "t_end": 50.0, "save": 41}
    return flowfa.simulate(
        problem, 2, path=path, checkpoint_every=1e-9, progress=progress, **options
    )


@pytest.fixture
def killed(tmp_path):
    with pytest.raises(Killed):
        begin(tmp_path / "run.nc", KillsLater(40))
    return tmp_path / "run.nc"


def checked(path, capsys, *flags):
    status = main(["check", str(path), "--only", "C-1", "record", "--json", *flags])
    return status, json.loads(capsys.readouterr().out)


def test_unfinished_run_is_checked_as_far_as_it_got(killed, capsys):
    before = sorted(path.name for path in checkpoint_folder(killed).iterdir())
    status, report = checked(killed, capsys)
    assert status == 3
    assert [finding["verdict"] for finding in report["findings"]] == ["holds", "holds"]
    assert "not finished" in report["notes"][0] and "ended early" in report["notes"][1]
    assert sorted(path.name for path in checkpoint_folder(killed).iterdir()) == before


def test_what_was_recorded_is_what_the_finished_run_has(killed):
    found = load_run(checkpoint_folder(killed))
    begin(killed.parent / "whole.nc")
    whole = flowfa.load(killed.parent / "whole.nc")
    for name in ("loss", "alignment"):
        part, all_of_it = found["trajectory"][name].values, whole["trajectory"][name].values
        known = np.isfinite(part)
        assert known[:, 0].any() and not known[:, -1].any()
        np.testing.assert_array_equal(part[known], all_of_it[known])
    assert found["data"].identical(without_checksums(whole)["data"])


def test_unfinished_run_keeps_no_verdicts(killed, capsys):
    assert main(["check", str(killed), "--store"]) == 64
    assert "not finished" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["state.npz", "outline.npz", "chunk-000000.npz"])
def test_damaged_part_is_refused_in_a_line(killed, capsys, name):
    (checkpoint_folder(killed) / name).write_bytes(b"damaged")
    assert main(["check", str(killed)]) == 64
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1 and "internal" not in shown


def test_finished_run_leaves_no_outline(tmp_path):
    begin(tmp_path / "run.nc")
    assert [path.name for path in tmp_path.iterdir()] == ["run.nc"]
    assert h5py.is_hdf5(tmp_path / "run.nc")

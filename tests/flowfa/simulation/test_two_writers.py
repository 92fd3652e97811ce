"""Two writers with one output: the second is refused, and the first ends as if it were alone."""

from __future__ import annotations

import numpy as np
import pytest

import flowfa
from flowfa.cli.main import main
from flowfa.deviation.sweep import sweep
from flowfa.errors import InputError
from flowfa.experiments.noisy_mnist import run_study, settings_of
from flowfa.records import Checkpoint, checkpoint_folder
from flowfa.settings import DeviationSettings
from tests.support.image_files import write_mnist
from tests.support.watching import Watch
from tests.support.writers import in_another_thread, other_writer

DATA = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=0)
PROBLEM = flowfa.Problem(DATA, (3,), rule="fa")


def train(path, **more):
    options = {"steps": 40, "save": 41}
    return flowfa.train(PROBLEM, 2, path=path, **(options | more))


def simulate(path, **more):
    options = {"solver": "dopri5", "t_end": 30.0, "save": 41}
    return flowfa.simulate(PROBLEM, 2, path=path, **(options | more))


class Intruder(Watch):
    """Starts a second writer, once, when the first has recorded something."""

    def __init__(self, second):
        super().__init__(self.act)
        self.told, self.second, self.calls = None, second, 0

    def act(self, state):
        self.calls += 1
        if self.calls == 5:
            self.told = in_another_thread(self.second)


@pytest.mark.parametrize("make", [train, simulate])
@pytest.mark.parametrize("asked", [{"overwrite": True}, {"resume": True}, {}])
def test_the_second_writer_of_a_run_is_refused(tmp_path, make, asked):
    path = tmp_path / "run.nc"
    intruder = Intruder(lambda: make(path, **asked))
    run = make(path, progress=intruder)
    assert isinstance(intruder.told, InputError)
    assert "is being written by process" in str(intruder.told)
    assert run.tree.attrs["status"] == "ok"
    alone = make(tmp_path / "alone.nc")
    for name in ("loss", "alignment"):
        found, expected = (r.tree["trajectory"][name].values for r in (run, alone))
        np.testing.assert_array_equal(found, expected)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["alone.nc", "run.nc"]


def test_the_second_writer_of_a_deviation_is_refused(tmp_path):
    settings = DeviationSettings(rates=(0.04, 0.02), t_end=1.0, points=4, fresh=5)

    def study(**more):
        return sweep({"3": PROBLEM}, 2, settings, folder=tmp_path / "out", **more)

    intruder = Intruder(lambda: study(overwrite=True))
    intruder.calls = 4
    found = study(progress=intruder)
    assert "is being written by process" in str(intruder.told)
    assert found["parameters"].notnull().any()
    assert [file.name for file in tmp_path.iterdir()] == ["out"]
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["deviation.nc"]


def test_the_second_writer_of_an_experiment_is_refused(tmp_path, monkeypatch):
    write_mnist(tmp_path / "data")
    monkeypatch.setenv("FLOWFA_CACHE", str(tmp_path / "cache"))
    few = {"widths": (4,), "runs": 1, "images": 5, "test_images": 5, "epochs": 8, "flow_up_to": 0}
    settings = settings_of("quick", **few, track_every=2)

    def study(place, **more):
        return run_study(settings, tmp_path / place, data_dir=tmp_path / "data", **more)

    intruder = Intruder(lambda: study("out", overwrite=True))
    intruder.calls = 4
    found, alone = study("out", progress=intruder), study("alone")
    assert "is being written by process" in str(intruder.told)
    for name, variable in alone.data_vars.items():
        if "seconds" not in str(name):
            np.testing.assert_array_equal(found[name].values, variable.values)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["noisy-mnist.nc"]


@pytest.mark.parametrize("command", ["simulate", "train", "deviation"])
def test_the_command_is_refused_in_one_line(tmp_path, capsys, command):
    out = tmp_path / "out"
    with other_writer(out) as process:
        status = main([command, "--out", str(out), "--overwrite"])
        assert sorted(file.name for file in tmp_path.iterdir()) == [".out.lock"]
    told = capsys.readouterr()
    assert status == 64 and told.out == ""
    assert told.err.count("\n") == 1
    assert f"process {process.pid}, which began" in told.err and "--out" in told.err


def test_a_saved_state_that_is_missing_is_told_and_no_result_is_written(tmp_path):
    """As when a chunk of the record was replaced by that of another run."""
    path, calls = tmp_path / "run.nc", []

    def exchange(state):
        calls.append(state)
        chunks = sorted(checkpoint_folder(path).glob("chunk-*.npz"))
        if len(calls) == 20:
            chunks[-1].write_bytes(chunks[1].read_bytes())

    with pytest.raises(InputError, match=r"lacks \d+ of 82 .* trajectory 0 at t = .*`overwrite"):
        train(path, progress=Watch(exchange), checkpoint_every=1e-9)
    assert not path.exists()
    assert Checkpoint(checkpoint_folder(path)).exists()

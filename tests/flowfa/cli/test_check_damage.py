"""``flowfa check`` of files that were damaged: one line, status 64, never a traceback.

The files have no checksums, which would tell every change before it is looked at.
"""

from __future__ import annotations

import json
import shutil

import h5py
import numpy as np
import pytest

import flowfa
from flowfa.cli.main import main
from tests.support.checksums import forget_checksums

NAMES = (
    "data",
    "weights",
    "neurons",
    "solver",
    "trajectory",
    "weights/W1",
    "weights/B2",
    "weights/snapshot_time",
    "data/X",
    "data/y",
    "solver/t_reached",
    "solver/status",
    "trajectory/time",
    "trajectory/loss_rate",
    "trajectory/cosine",
    "trajectory/alignment",
    "neurons/conserved",
    "neurons/kappa",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run.nc"
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=0)
    problem = flowfa.Problem(data, (3,), rule=("fa", "gd"))
    flowfa.simulate(problem, 1, t_end=1.0, save=5, path=path).tree.close()
    forget_checksums(path)
    return path


@pytest.fixture
def file(whole, tmp_path):
    return shutil.copy(whole, tmp_path / "run.nc")


def refused(file, capsys, *flags):
    """Check a file, and return the one line that says why that is impossible."""
    assert main(["check", str(file), *flags]) == 64
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1 and shown.err.startswith("flowfa: ") and shown.out == ""
    assert "internal error" not in shown.err
    return shown.err


@pytest.mark.parametrize("name", NAMES)
def test_part_that_is_missing(file, capsys, name):
    with h5py.File(file, "r+") as stored:
        del stored[name]
    assert str(file) in refused(file, capsys)


@pytest.mark.parametrize("name", [name for name in NAMES if "/" in name])
def test_part_of_another_shape(file, capsys, name):
    with h5py.File(file, "r+") as stored:
        values = stored[name][()]
        del stored[name]
        stored[name] = values.ravel()[:1]
    refused(file, capsys)


@pytest.mark.parametrize("name", ["data/X", "trajectory/time", "solver/t_reached"])
def test_numbers_that_are_none_where_the_flow_needs_them(file, capsys, name):
    with h5py.File(file, "r+") as stored:
        stored[name][...] = np.nan
    refused(file, capsys)


def test_feedback_that_is_none_leaves_its_own_trajectory_open(file, capsys):
    with h5py.File(file, "r+") as stored:
        stored["weights/B2"][0] = np.nan
    assert main(["check", str(file), "--only", "C-1", "record", "--json"]) == 2
    for finding in json.loads(capsys.readouterr().out)["findings"]:
        # The trajectory of gd is judged as ever.
        assert finding["trajectories"] == {"holds": 1, "inconclusive": 1}
        assert finding["place"]["trajectory"] == 0


def test_number_in_the_record_that_is_none_leaves_the_statement_open(file, capsys):
    with h5py.File(file, "r+") as stored:
        stored["trajectory/loss_rate"][1, 2] = np.nan
    assert main(["check", str(file), "--only", "Eq-1", "--json"]) == 2
    place = json.loads(capsys.readouterr().out)["findings"][0]["place"]
    assert place["trajectory"] == 1 and place["note"] == "loss_rate in the file"
    assert place["time"] == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["trajectory/loss", "neurons/conserved"])
def test_other_number_in_the_record_that_is_none_leaves_it_open(file, capsys, name):
    with h5py.File(file, "r+") as stored:
        stored[name][1, 2] = np.nan
    assert main(["check", str(file), "--only", "record", "--json"]) == 2
    place = json.loads(capsys.readouterr().out)["findings"][0]["place"]
    assert place["trajectory"] == 1 and place["note"] == f"{name.split('/')[1]} in the file"


@pytest.mark.parametrize("change", [lambda when: -when, lambda when: 3.0 * when, np.log])
def test_weights_of_no_time_of_the_run(file, capsys, change):
    with h5py.File(file, "r+") as stored, np.errstate(divide="ignore"):
        stored["weights/snapshot_time"][...] = change(stored["weights/snapshot_time"][()])
    assert "snapshot_time" in refused(file, capsys)


def test_times_that_do_not_end_at_the_end(file, capsys):
    with h5py.File(file, "r+") as stored:
        for name in ("trajectory/time", "neurons/time", "weights/snapshot_time"):
            stored[name][...] = 1.0001 * stored[name][()]
        stored["solver/t_reached"][...] = 1.0001 * stored["solver/t_reached"][()]
    assert "/trajectory/time ends at 1.0001 and not at 1.0" in refused(file, capsys)


@pytest.mark.parametrize(
    ("attribute", "text"),
    [
        ("config", "{"),
        ("config", "[1]"),
        ("config", "{}"),
        ("config", '{"rule": "fa"}'),
        ("versions", "none"),
        ("versions", '{"flowfa": 3}'),
    ],
)
def test_configuration_that_is_no_configuration(file, capsys, attribute, text):
    with h5py.File(file, "r+") as stored:
        stored.attrs[attribute] = text
    refused(file, capsys)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rule", ["fa", "gb"]),
        ("rule", []),
        ("leak", "steep"),
        ("leak", -1.0),
        ("loss", "exponental"),
        ("loss", 3),
        ("solver", None),
        ("solver", "hybrd"),
        ("rtol", 0.0),
        ("rtol", None),
        ("rule_parameters", {}),
    ],
)
def test_setting_that_is_impossible(file, capsys, key, value):
    with h5py.File(file, "r+") as stored:
        settings = json.loads(stored.attrs["config"])
        assert key in settings
        stored.attrs["config"] = json.dumps(settings | {key: value})
    refused(file, capsys)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / "run.nc"
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=0)
    problem = flowfa.Problem(data, (2,))
    flowfa.train(problem, 1, rate=0.1, steps=8, save=5, path=path).tree.close()
    forget_checksums(path)
    return path


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("trajectory/step", lambda steps: -steps),
        ("trajectory/step", lambda steps: 1000 * steps),
        ("solver/steps", lambda steps: steps - 9),
        ("weights/snapshot_time", lambda when: 2.0 * when),
    ],
)
def test_steps_that_were_not_taken(trained, tmp_path, capsys, name, change):
    file = shutil.copy(trained, tmp_path / "run.nc")
    with h5py.File(file, "r+") as stored:
        stored[name][...] = change(stored[name][()])
    refused(file, capsys)


def test_impossible_number_of_threads(trained, tmp_path, capsys):
    file = shutil.copy(trained, tmp_path / "run.nc")
    with h5py.File(file, "r+") as stored:
        stored.attrs["threads"] = -1
    assert "threads" in refused(file, capsys)


def test_rules_other_than_those_of_the_configuration(file, capsys):
    with h5py.File(file, "r+") as stored:
        stored["trajectory/rule"][0] = "gd"
    assert "rule" in refused(file, capsys)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_file_that_is_cut_off(file, capsys, share):
    with open(file, "rb") as stream:
        content = stream.read()
    with open(file, "wb") as stream:
        stream.write(content[: int(share * len(content))])
    refused(file, capsys)


def test_statement_that_is_unknown(file, capsys):
    assert "did you mean 'Eq-1'?" in refused(file, capsys, "--only", "Eq-2")


def test_page_that_cannot_be_written(file, capsys, tmp_path):
    taken = tmp_path / "taken.html"
    taken.write_text("mine")
    assert "--html" in refused(file, capsys, "--html", str(taken))
    assert "no folder" in refused(file, capsys, "--html", str(tmp_path / "absent" / "page.html"))
    assert taken.read_text() == "mine"


def test_run_that_is_not_finished_is_no_file_yet(tmp_path, capsys):
    """Its checkpoint is a folder, which can be gone on from."""
    (tmp_path / "run.nc.checkpoint").mkdir()
    assert "directory" in refused(tmp_path / "run.nc.checkpoint", capsys)
    assert "no file" in refused(tmp_path / "run.nc", capsys)

"""kill -9 at random moments, and the same command again: the same files, whatever the moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from tests.support.damage import SOAK
from tests.support.image_files import write_mnist
from tests.support.sweeps import SETTINGS

KILLS = 10 if SOAK else 1
"""Of each command, so that there are 50 in the long part."""
PROBLEM = ["--samples", "4", "--dim", "6", "--width", "3", "--trajectories", "2", "--rule", "fa"]
QUIET = ["--quiet", "--plot", "none", "--no-check"]
COMMANDS = {
    "simulate": (
        ["simulate", *PROBLEM, "--solver", "dopri5", "--t-end", "30"],
        [*QUIET, "--checkpoint-every", "0.3", "--out", "run.nc"],
    ),
    "train": (
        ["train", *PROBLEM, "--steps", "800"],
        [*QUIET, "--checkpoint-every", "0.3", "--out", "run.nc"],
    ),
    "deviation": (
        ["deviation", *PROBLEM, "gd", "adafa", "signfa", "--rates", "0.02", "0.01"],
        ["--t-end", "5", "--points", "8", "--quiet", "--out", "run"],
    ),
    "experiment": (
        ["experiment", "noisy-mnist", "--widths", "4", "7", "--runs", "2", "--images", "8"],
        [
            *("--test-images", "10", "--epochs", "400", "--flow-up-to", "0"),
            *("--checkpoint-every", "20", "--quiet", "--out", "run"),
        ],
    ),
    "sweep": (["sweep", "sweep.toml", "--quiet", "--out", "run"], []),
}
BEGUN = (
    *("run.nc.checkpoint/state.npz", "run/plan.json", "run/parts/asked.json"),
    "run/*.nc.checkpoint/*/state.npz",
)
"""What says that a killed command can be resumed."""


def start(words, place):
    command = [sys.executable, "-m", "flowfa", *words]
    images = {
        "FLOWFA_DATA": str(place.parent / "data"),
        "FLOWFA_CACHE": str(place.parent / "cache"),
    }
    environment = {**os.environ, **images}
    return subprocess.Popen(command, cwd=place, env=environment, stderr=subprocess.PIPE, text=True)


def finish(words, place):
    """Run a command to its end, and return its exit status and what it said."""
    process = start(words, place)
    _, told = process.communicate(timeout=900)
    return process.returncode, told


def numbers(place):
    """Return every variable of the results in a folder, without the times of making them."""
    found = {}

    def read(name, entry):
        if isinstance(entry, h5py.Dataset) and "seconds" not in name:
            found[f"{file.name}/{name}"] = entry[...]

    for file in sorted(place.rglob("*.nc")):
        with h5py.File(file) as opened:
            opened.visititems(read)
    return found


def same(first, second):
    return first.keys() == second.keys() and all(
        np.array_equal(values, second[name], equal_nan=values.dtype.kind == "f")
        for name, values in first.items()
    )


def has_begun(place):
    """Return whether there is something to go on with."""
    return any(file for pattern in BEGUN for file in place.glob(pattern))


# Slow: more of what is shown where an interruption at one moment is tried within the process.
@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_killed_command_goes_on_to_the_same_files(tmp_path, command, record_property):
    words = [word for part in COMMANDS[command] for word in part]
    settings = "\n".join(f"{name} = {value}" for name, value in SETTINGS.items())
    text = f"seeds = 6\n[settings]\n{settings}\n[grid]\nleak = [0.5, 1.0]\n"
    write_mnist(tmp_path / "data")
    places = {name: tmp_path / name for name in ("whole", *map(str, range(KILLS)))}
    for place in places.values():
        place.mkdir()
        (place / "sweep.toml").write_text(text)
    assert finish(words, places["whole"])[0] == 0
    expected = numbers(places.pop("whole"))
    random = np.random.default_rng(0)
    killed = 0
    for place in places.values():
        process = start(words, place)
        while process.poll() is None and not has_begun(place):
            time.sleep(0.005)
        # From the first moment at which it can be resumed until some time later.
        time.sleep(float(random.uniform(0.0, 1.0)))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        left = {".run.nc.lock", "run.nc.checkpoint"}
        if not (place / "run.nc").exists() and process.returncode != 0:
            again = words if command == "sweep" else [*words, "--resume"]
            assert finish(again, place) == (0, "")
            left = set()
        assert same(numbers(place), expected)
        assert {entry.name for entry in place.iterdir()} <= {"sweep.toml", "run.nc", "run", *left}
    record_property("killed", f"{killed} of {KILLS} before their end")
    assert killed, "no process was killed in time"


def test_another_number_is_seen(tmp_path):
    """The comparison above is not blind."""
    with h5py.File(tmp_path / "run.nc", "w") as file:
        file["loss"] = np.array([1.0, np.nan])
    first = numbers(tmp_path)
    with h5py.File(tmp_path / "run.nc", "r+") as file:
        file["loss"][0] = np.nextafter(1.0, 2.0)
    assert same(first, first) and not same(first, numbers(tmp_path))
    os.remove(tmp_path / "run.nc")
    assert not same(first, numbers(tmp_path))

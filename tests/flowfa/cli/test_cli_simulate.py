"""``flowfa simulate``, ``info`` and ``plot`` from words to files, exit statuses and bad input."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

import flowfa
from flowfa.cli.main import main
from tests.support.nightly import some_now

# Two orthogonal classes: explicit solvers are done in some dozen steps.
SEPARABLE = np.array([[1.0, 0.1, 0.0], [0.9, 0.2, 0.1], [-0.1, -1.0, 0.0], [-0.2, -0.8, -0.1]])
LABELS = np.array([1.0, 1.0, -1.0, -1.0])
SMALL = (
    "simulate --dataset data.npz --width 4 --trajectories 2 --t-end 2 --save 5 --snapshots 2 "
    "--rtol 1e-4 --threads 1 --no-check"
)


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    np.savez("data.npz", X=SEPARABLE, y=LABELS)
    return tmp_path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a result of two rules and its figure."""
    place = tmp_path_factory.mktemp("made")
    before = Path.cwd()
    os.chdir(place)
    try:
        np.savez("data.npz", X=SEPARABLE, y=LABELS)
        assert main([*SMALL.split(), "--rule", "gd", "fa", "--quiet"]) == 0
    finally:
        os.chdir(before)
    return place


def run(line):
    return main(line.split())


# --- what a run leaves and says -----------------------------------------------------------------


def test_a_run_leaves_a_result_and_a_figure_and_nothing_else(made):
    assert {path.name for path in made.iterdir()} == {"data.npz", "run.nc", "run.png"}
    assert (made / "run.png").read_bytes().startswith(b"\x89PNG")


def test_the_result_holds_all_trajectories_of_all_rules(made):
    tree = flowfa.load(made / "run.nc")
    assert list(tree["trajectory"]["rule"].values) == ["gd", "gd", "fa", "fa"]
    assert tree["trajectory"].sizes["time"] == 5
    assert json.loads(tree.attrs["argv"]) == [*SMALL.split(), "--rule", "gd", "fa", "--quiet"]


def test_quiet_says_nothing(capsys):
    assert run(f"{SMALL} --quiet --plot none") == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")


def test_the_summary_names_rules_files_and_what_comes_next(capsys):
    assert run(f"{SMALL} --rule gd fa --plot none --out a.nc") == 0
    text = capsys.readouterr().out
    first, title, *_ = text.splitlines()
    assert first.startswith("simulating gd, fa: network 3-4-1, leak 0.1, data data.npz (4 samples,")
    assert title.split()[:3] == ["rule", "status", "loss"]
    for fragment in ("\ngd ", "\nfa ", "2 ok", "result: a.nc", "flowfa plot a.nc"):
        assert fragment in text


def test_json_is_the_only_thing_on_stdout(capsys):
    assert run(f"{SMALL} --json --plot none") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["run"] == "run.nc"
    assert found["figure"] is None
    assert found["rules"]["fa"]["statuses"] == {"ok": 2}
    assert found["failures"] == []


def test_a_configuration_file_makes_the_same_run_as_flags(folder):
    (folder / "run.toml").write_text(
        'dataset = "data.npz"\nwidth = [4]\ntrajectories = 2\nt-end = 2\nsave = 5\nsnapshots = 2\n'
        "rtol = 1e-4\nthreads = 1\ncheck = false\n"
    )
    assert run(f"{SMALL} --quiet --plot none --out flags.nc") == 0
    assert run("simulate --config run.toml --quiet --plot none --out file.nc") == 0
    flags, file = flowfa.load("flags.nc"), flowfa.load("file.nc")
    for group in ("trajectory", "weights", "neurons", "data", "solver"):
        assert flags[group].identical(file[group])
    assert flags.attrs["config"] == file.attrs["config"]


@pytest.mark.parametrize("ending", some_now(["png", "pdf", "svg"], ["svg"]))
def test_the_figure_has_the_format_of_its_ending(made, folder, ending, capsys):
    assert main(["plot", str(made / "run.nc"), "--out", f"figure.{ending}"]) == 0
    start = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[ending]
    assert (folder / f"figure.{ending}").read_bytes().startswith(start)
    assert capsys.readouterr().out == f"figure: figure.{ending}\n"


def test_a_failed_trajectory_ends_with_3_and_a_line_with_the_remedy(capsys):
    assert run(f"{SMALL} --max-steps 2 --plot none") == 3
    text = capsys.readouterr().out
    assert "2 max-steps" in text
    assert "max-steps: fa, trajectories 0, 1; trajectory" in text
    assert "raise --max-steps" in text


# --- info ---------------------------------------------------------------------------------------


def test_info_says_how_the_file_was_made_and_what_is_in_it(made, capsys):
    assert main(["info", str(made / "run.nc")]) == 0
    text = capsys.readouterr().out
    for fragment in (
        "command   flowfa simulate --dataset data.npz",
        "device    cpu",
        "threads   1",
        "seed      0",
        "git revision",
        "  t_end = 2.0",
        "torch 2",
        "/trajectory  trajectory 4, time 5, layer 2",
        "conservation_drift",
        "2 ok",
    ):
        assert fragment in text


def test_info_as_json_has_the_same(made, capsys):
    assert main(["info", str(made / "run.nc"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["made"]["config"]["t_end"] == 2.0
    assert found["made"]["versions"]["python"]
    assert found["groups"]["trajectory"]["dims"] == {"trajectory": 4, "time": 5, "layer": 2}
    assert found["rules"]["gd"]["statuses"] == {"ok": 2}


@pytest.mark.parametrize("name", ["trajectory/alignment", "solver/steps", "trajectory/rule"])
def test_info_of_a_file_without_a_part_names_it(made, tmp_path, capsys, name):
    shutil.copy(made / "run.nc", tmp_path / "part.nc")
    with h5py.File(tmp_path / "part.nc", "r+") as stored:
        del stored[name]
    assert main(["info", str(tmp_path / "part.nc")]) == 64
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and name.partition("/")[2] in said


# --- bad input ----------------------------------------------------------------------------------


def bad_files(folder):
    """Write one file for each way to be bad."""
    np.savez("nan.npz", X=np.where(SEPARABLE == 0.9, np.nan, SEPARABLE), y=LABELS)
    np.savez("shapes.npz", X=SEPARABLE, y=LABELS[:3])
    np.savez("nolabels.npz", X=SEPARABLE)
    np.savez("objects.npz", X=np.array([{"a": 1}], dtype=object), y=LABELS)
    np.savez("classes.npz", X=SEPARABLE, y=np.array([0, 1, 2, 1]))
    whole = (folder / "data.npz").read_bytes()
    (folder / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (folder / "text.npz").write_text("X = 1")
    (folder / "empty.npz").write_bytes(b"")
    (folder / "pickle.npz").write_bytes(pickle.dumps([1, 2]))
    (folder / "folder.npz").mkdir()
    weights = {"W1": np.ones((4, 3)), "W2": np.ones((1, 4))}
    np.savez("start.npz", **weights)
    np.savez("start-dim.npz", W1=np.ones((4, 2)), W2=np.ones((1, 4)))
    np.savez("start-gap.npz", W1=np.ones((4, 3)), W2=np.ones((1, 5)))
    np.savez("start-outputs.npz", W1=np.ones((4, 3)), W2=np.ones((2, 4)))
    np.savez("start-b.npz", **weights, B2=np.ones((5, 1)))
    np.savez("start-unused.npz", **weights, M2=np.ones((4, 1)))
    np.savez("start-name.npz", **weights, V2=np.ones((4, 1)))
    np.savez("start-nan.npz", W1=np.full((4, 3), np.nan), W2=np.ones((1, 4)))
    (folder / "taken.nc").write_text("")
    (folder / "taken.png").write_text("")


@pytest.mark.parametrize(
    ("flags", "fragment"),
    [
        ("--rule gb", "did you mean 'gd'?"),
        ("--loss exponental", "did you mean 'exponential'?"),
        ("--solver dopri", "did you mean 'dopri"),
        ("--solver torchdiffeq:dopri6", "dopri"),
        ("--init alligned", "did you mean 'aligned'?"),
        ("--dataset nearly-orthogonl", "did you mean 'nearly-orthogonal'?"),
        ("--dataset absent.npz", "there is no file absent.npz"),
        ("--dataset nan.npz", "nan"),
        ("--dataset shapes.npz", "y has shape (3,)"),
        ("--dataset nolabels.npz", "y"),
        ("--dataset objects.npz", "pickled objects"),
        ("--dataset cut.npz", "cut.npz"),
        ("--dataset text.npz", "text.npz"),
        ("--dataset empty.npz", "empty.npz"),
        ("--dataset pickle.npz", "pickle.npz"),
        ("--dataset folder.npz", "is a directory"),
        ("--dataset classes.npz --loss exponential", "exponential"),
        ("--dataset data.npz --loss cross-entropy", "cross-entropy"),
        ("--dataset data.npz --samples 3", "--samples does not go with"),
        ("--dataset nearly-orthogonal --samples 50 --dim 10", "dim"),
        ("--dataset digits --gamma 2", "gamma"),
        ("--init absent.npz", "there is no file absent.npz"),
        ("--init folder.npz", "is a directory"),
        ("--init cut.npz", "cut.npz"),
        ("--init start-dim.npz", "2 columns"),
        ("--init start-gap.npz", "W2"),
        ("--init start-outputs.npz", "2 rows"),
        ("--init start-b.npz", "B2"),
        ("--init start-unused.npz", "M2"),
        ("--init start-name.npz", "V2"),
        ("--init start-nan.npz", "not finite"),
        ("--init start.npz --width 5", "--width does not go with"),
        ("--device cuda:99", "cuda:99"),
        ("--device gpu", "gpu"),
        ("--solver euler", "--step"),
        ("--out taken.nc", "taken.nc exists: replace it with --overwrite"),
        ("--plot taken.png", "taken.png exists: replace it with --overwrite"),
        ("--out folder.npz", "folder.npz is a directory"),
        ("--out absent/run.nc", "there is no folder absent"),
        ("--out taken.nc/run.nc", "taken.nc"),
        ("--plot absent/run.png", "there is no folder absent"),
        ("--resume", "nothing to resume"),
    ],
)
def test_bad_input_ends_with_64_and_one_line_and_nothing_written(folder, capsys, flags, fragment):
    bad_files(folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    words = ["simulate", "--threads", "1", "--t-end", "1", "--trajectories", "2", *flags.split()]
    if "--dataset" not in flags:
        words += ["--dataset", "data.npz"]
    if "--init" not in flags and "--width" not in flags:
        words += ["--width", "4"]
    assert main(words) == 64
    shown = capsys.readouterr()
    assert fragment in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize("command", ["info", "plot"])
@pytest.mark.parametrize(
    ("name", "fragment"),
    [
        ("absent.nc", "there is no file absent.nc"),
        (".", "directory"),
        ("empty.nc", "empty.nc is empty"),
        ("data.npz", "data.npz is no netCDF4 file"),
        ("cut.nc", "cut.nc"),
    ],
)
def test_a_file_that_is_no_result_ends_with_64_and_one_line(
    made, folder, capsys, command, name, fragment
):
    (folder / "empty.nc").write_bytes(b"")
    whole = (made / "run.nc").read_bytes()
    (folder / "cut.nc").write_bytes(whole[: len(whole) // 2])
    words = [command, name] + (["--out", "figure.png"] if command == "plot" else [])
    assert main(words) == 64
    shown = capsys.readouterr()
    assert fragment in shown.err
    assert shown.err.count("\n") == 1
    assert not (folder / "figure.png").exists()


@pytest.mark.parametrize(
    ("flags", "fragment"),
    [
        ("--out figure.jpg", "figure.jpg"),
        ("--out taken.png", "taken.png exists"),
        ("--out absent/figure.png", "absent"),
    ],
)
def test_a_figure_that_cannot_be_written_ends_with_64(made, folder, capsys, flags, fragment):
    (folder / "taken.png").write_text("")
    assert main(["plot", str(made / "run.nc"), *flags.split()]) == 64
    assert fragment in capsys.readouterr().err
    assert (folder / "taken.png").read_text() == ""


def test_an_existing_result_is_replaced_when_asked(folder, capsys):
    (folder / "run.nc").write_text("")
    (folder / "run.png").write_text("")
    assert run(f"{SMALL} --overwrite --quiet") == 0
    assert flowfa.load("run.nc").attrs["status"] == "ok"


# --- signals ------------------------------------------------------------------------------------


# Eight hundred fixed steps: far from done when the signal comes, at once after the first line.
LONG = (
    "simulate --dataset data.npz --width 4 --trajectories 2 --t-end 2 --save 5 --snapshots 2 "
    "--solver euler --step 2.5e-3 --plot none --threads 1 --no-check"
)


def stopped_by(number):
    """Begin a long run, send a signal, and return the exit status and what was complained."""
    environment = {**os.environ, "PYTHONPATH": str(Path(flowfa.__file__).parents[1])}
    code = "from flowfa.cli.main import entry_point; entry_point()"
    with subprocess.Popen(
        [sys.executable, "-c", code, *LONG.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        # The first line says that the run has begun.
        beginning = process.stdout.readline()
        process.send_signal(number)
        _, complaint = process.communicate(timeout=60)
    assert beginning.startswith("simulating fa"), complaint
    return process.returncode, complaint


def test_sigterm_ends_with_143_and_one_line_and_no_result(folder):
    status, complaint = stopped_by(signal.SIGTERM)
    assert status == 143
    assert complaint.count("\n") == 1
    assert "--resume" in complaint
    assert not (folder / "run.nc").exists()


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """The exit status of a long run that Ctrl-C stopped, and the folder that it left."""
    place = tmp_path_factory.mktemp("interrupted")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        np.savez("data.npz", X=SEPARABLE, y=LABELS)
        status, _ = stopped_by(signal.SIGINT)
    return status, place


def test_what_ctrl_c_stopped_is_resumed_to_the_result_of_an_uninterrupted_run(interrupted, folder):
    status, left = interrupted
    assert status == 130
    shutil.copytree(left, folder, dirs_exist_ok=True)
    assert run(f"{LONG} --resume --quiet") == 0
    assert run(f"{LONG} --quiet --out whole.nc") == 0
    resumed, whole = flowfa.load("run.nc"), flowfa.load("whole.nc")
    for group in ("trajectory", "weights", "neurons", "solver"):
        assert resumed[group].identical(whole[group])


def test_a_resumed_run_with_another_setting_is_refused_by_its_name(interrupted, folder, capsys):
    shutil.copytree(interrupted[1], folder, dirs_exist_ok=True)
    assert run(f"{LONG} --resume --leak 0.2") == 64
    complaint = capsys.readouterr().err
    assert "leak" in complaint
    assert complaint.count("\n") == 1


def test_killed_run_resumes_to_the_uninterrupted_result_bit_for_bit(tmp_path, monkeypatch):
    """kill -9 leaves no time to tidy up: only checkpoints already on disk count."""
    monkeypatch.chdir(tmp_path)
    flags = "--rule gd fa --width 10 --trajectories 8 --rtol 1e-6 --plot none --no-check --quiet"
    words = ["simulate", "--dataset", "orthogonally-separable", *flags.split()]
    assert main([*words, "--out", "whole.nc"]) == 0
    killed = subprocess.Popen(
        [sys.executable, "-m", "flowfa", *words, "--checkpoint-every", "0.05"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    folder = tmp_path / "run.nc.checkpoint"
    while len(list(folder.glob("chunk-*.npz"))) < 5:
        assert killed.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    assert not (tmp_path / "run.nc").exists()
    assert main([*words, "--resume"]) == 0
    xr.testing.assert_identical(_values(tmp_path / "whole.nc"), _values(tmp_path / "run.nc"))


def _values(path):
    tree = flowfa.load(path)
    tree.attrs = {}
    return tree

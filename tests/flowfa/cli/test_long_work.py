"""Long work tells: a line a minute without a terminal, how far a run is, how large its file."""

from __future__ import annotations

import io
import time

import pytest

import flowfa
from flowfa.cli import progress
from flowfa.cli.main import main
from flowfa.records import output
from flowfa.studies.progress import ProgressState, TrajectoryCounts
from tests.flowfa.simulation.test_unfinished import Killed, KillsLater

HALF = ProgressState(0.5, trajectories=TrajectoryCounts(3, 5, 0, 12.5, 400))


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_without_a_terminal_there_is_a_line_a_minute(clock):
    stream = io.StringIO()
    with progress.ProgressBar(stream=stream) as bar:
        bar.update(ProgressState(0.0))
        for second in range(1, 150):
            clock[0] = second
            bar.update(HALF)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0] == (
        "flowfa: 50 %, slowest trajectory at t = 12.5, about 1 min 0 s left (3 running, 5 done, "
        "t = 12.5, 400 steps)"
    )


def test_the_time_left_of_a_resumed_run_is_told_by_what_was_done_since(clock):
    stream = io.StringIO()
    with progress.ProgressBar(stream=stream) as bar:
        bar.update(ProgressState(0.4))
        clock[0] = 100.0
        bar.update(HALF)
    assert "about 8 min 20 s left" in stream.getvalue()


@pytest.mark.parametrize("seconds", [1, 59])
def test_short_work_and_quiet_work_say_nothing(clock, seconds):
    said, quiet = io.StringIO(), io.StringIO()
    bars = (progress.ProgressBar(stream=said), progress.ProgressBar(True, stream=quiet))
    for bar, until in zip(bars, (seconds, 1000), strict=True):
        clock[0] = 0.0
        bar.update(HALF)
        clock[0] = until
        bar.update(HALF)
    assert said.getvalue() == quiet.getvalue() == ""


def test_a_check_tells_while_one_step_of_it_takes_long(monkeypatch):
    monkeypatch.setattr(progress, "EVERY", 0.05)
    stream = io.StringIO()
    with progress.StatusLine(stream=stream) as status:
        status.show("checking 1 of 4 trajectories: C-1")
        time.sleep(0.4)
    lines = stream.getvalue().splitlines()
    assert len(lines) >= 2
    assert lines[0].startswith("flowfa: checking 1 of 4 trajectories: C-1 (0")
    time.sleep(0.1)
    assert stream.getvalue().splitlines() == lines
    with progress.StatusLine(quiet=True, stream=stream) as status:
        status.show("checking")
        time.sleep(0.1)
    assert stream.getvalue().splitlines() == lines


def test_info_says_how_far_an_unfinished_run_is(tmp_path, capsys):
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=0)
    problem = flowfa.Problem(data, (3,), rule=("fa", "gd"))
    path = tmp_path / "run.nc"
    with pytest.raises(Killed):
        flowfa.simulate(
            problem,
            2,
            path=path,
            solver="dopri5",
            rtol=1e-6,
            t_end=50.0,
            save=41,
            checkpoint_every=1e-9,
            progress=KillsLater(40),
            argv=["simulate", "--out", "run.nc"],
        )
    assert main(["info", str(path)]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("not finished, as of its last checkpoint: 4 of 4 trajectories run, the")
    assert "of 50 (" in first and first.endswith("; flowfa simulate --out run.nc --resume goes on")
    assert main(["info", str(path), "--json"]) == 0
    assert '"status": "unfinished"' in capsys.readouterr().out


@pytest.mark.filterwarnings("default")
def test_a_large_result_is_told_before_it_is_made(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = "simulate --width 4 --samples 4 --dim 6 --t-end 1 --trajectories 2 --no-check --quiet"
    for more, large, said in (
        (["--save", "20"], 1_000, "fewer recorded times (--save, 20 now), or fewer --trajectories"),
        (["--save", "20", "--snapshots", "20"], 5_000, "fewer --snapshots (20 now), or fewer"),
        (["--save", "20"], 10**7, ""),
    ):
        monkeypatch.setattr(output, "LARGE", large)
        assert main([*words.split(), *more, "--plot", "none", "--overwrite"]) == 0
        error = capsys.readouterr().err
        assert ("run.nc will have about" in error) == bool(said) and said in error
        assert error.count("\n") <= 1

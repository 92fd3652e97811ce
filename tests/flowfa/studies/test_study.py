"""The engine of studies: what is kept, when work stops, what goes on, and what is told."""

from __future__ import annotations

import signal

import numpy as np
import pytest
import torch

from flowfa.errors import InputError, Interrupted
from flowfa.records import Checkpoint
from flowfa.studies.parts import Parts, any_checkpoint, remove_checkpoints
from flowfa.studies.progress import ProgressState
from flowfa.studies.study import Study
from tests.support.watching import Watch, stops_when

STEPS = 10


def count(folder, *, units=("a", "b"), every=100.0, resume=False, configuration=None, **more):
    """Count to `STEPS` in each unit, keeping the count; return the counts of this call."""
    steps = dict.fromkeys(units, 0)
    study = Study(
        dict.fromkeys(units, 1.0), result=folder / "result.nc", kept=folder / "kept", **more
    )
    (folder / "kept").mkdir(exist_ok=True)
    with study:
        for unit in units:
            session = study.session(
                unit,
                checkpoint=Checkpoint(folder / "kept" / unit),
                configuration=configuration or {"steps": STEPS},
                every=every,
                resume=resume,
            )
            kept = session.restore()
            here = 0 if kept is None else int(kept[0]["here"])
            session.begin(here / STEPS, at=here)
            while here < STEPS:
                session.pause(
                    lambda here=here, unit=unit: ProgressState(here / STEPS, f"{unit} {here}"),
                    lambda here=here: ({"here": np.array(here)}, {}),
                    at=here,
                )
                here += 1
                steps[unit] += 1
            session.keep({"here": np.array(here)})
            session.finish(unit)
    return steps


def stored(folder, unit):
    return int(Checkpoint(folder / "kept" / unit).read()[0]["here"])


def raise_signal(number=signal.SIGINT):
    signal.raise_signal(number)


# --- stopping and going on ------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_the_unit_and_says_how_to_go_on(tmp_path, number):
    def act(state):
        if state.doing == "b 4":
            raise_signal(number)

    told = (
        r"^stopped at b 4, 1 of 2 units done; .*kept is kept: give the same settings with "
        r"`resume=True` to continue .*result\.nc$"
    )
    with pytest.raises(Interrupted, match=told) as caught:
        count(tmp_path, progress=Watch(act))
    assert caught.value.signal_number == number
    assert stored(tmp_path, "b") == 4


def test_what_was_done_is_not_done_again(tmp_path):
    with pytest.raises(Interrupted):
        count(tmp_path, progress=stops_when("b 4"))
    assert count(tmp_path, resume=True) == {"a": 0, "b": STEPS - 4}


def test_without_resume_a_unit_begins_anew(tmp_path):
    with pytest.raises(Interrupted):
        count(tmp_path, progress=stops_when("b 4"))
    assert count(tmp_path) == {"a": STEPS, "b": STEPS}


def test_a_signal_at_the_end_of_a_unit_stops_before_the_next_and_not_after_the_last(tmp_path):
    with pytest.raises(Interrupted, match="1 of 2"):
        count(tmp_path, progress=stops_when("a: done"))
    assert not (tmp_path / "kept" / "b").exists()
    assert count(tmp_path, resume=True, progress=stops_when("b: done")) == {"a": 0, "b": STEPS}


def test_a_second_signal_stops_at_once_and_says_what_is_kept(tmp_path):
    def act(state):
        if state.doing == "b 4":
            raise_signal()
            raise_signal()

    with pytest.raises(Interrupted, match="kept is kept"):
        count(tmp_path, every=2.0, progress=Watch(act))
    assert stored(tmp_path, "b") == 2


def test_a_second_signal_where_nothing_is_kept_is_an_interrupt(tmp_path):
    study = Study({"a": 1.0}, result=tmp_path / "result.nc", kept=tmp_path / "kept")
    with pytest.raises(KeyboardInterrupt), study:
        raise_signal()
        raise_signal()


def test_signals_act_as_before_after_the_study(tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    count(tmp_path)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_other_settings_are_refused_by_their_name(tmp_path):
    with pytest.raises(Interrupted):
        count(tmp_path, progress=stops_when("a 3"))
    with pytest.raises(InputError, match="steps = 10, this command 11"):
        count(tmp_path, resume=True, configuration={"steps": 11})


def test_the_threads_of_the_first_call_compute_the_rest(tmp_path):
    threads = torch.get_num_threads()
    with pytest.raises(Interrupted):
        count(tmp_path, progress=stops_when("a 3"))
    torch.set_num_threads(threads + 1)
    count(tmp_path, resume=True)
    assert torch.get_num_threads() == threads, "other threads would round otherwise"


class Killed(Exception):
    """The process ends here, without a chance to keep anything."""


@pytest.mark.parametrize(("every", "kept"), [(1.0, 7), (3.0, 6), (7.0, 7)])
def test_checkpoints_are_written_when_they_are_due(tmp_path, every, kept):
    def act(state):
        if state.doing == "a 8":
            raise Killed

    with pytest.raises(Killed):
        count(tmp_path, every=every, progress=Watch(act))
    assert stored(tmp_path, "a") == kept


def test_seconds_are_counted_over_calls(tmp_path):
    with pytest.raises(Interrupted):
        count(tmp_path, progress=stops_when("a 3"))
    first = Checkpoint(tmp_path / "kept" / "a").read()[1]["seconds"]
    count(tmp_path, resume=True)
    assert Checkpoint(tmp_path / "kept" / "a").read()[1]["seconds"] > first > 0.0


# --- telling --------------------------------------------------------------------------------------


def test_the_share_is_that_of_all_units_and_ends_at_one(tmp_path):
    watch = Watch()
    count(tmp_path, progress=watch)
    told = {state.doing: state for state in watch.states}
    assert told["a 5"].share == pytest.approx(0.25)
    assert told["b 5"].share == pytest.approx(0.75)
    assert (told["b 5"].units_done, told["b 5"].units) == (1, 2)
    assert watch.states[-1].share == pytest.approx(1.0)
    assert watch.closed


def test_the_work_of_an_earlier_call_is_none_of_this_one(tmp_path):
    with pytest.raises(Interrupted):
        count(tmp_path, progress=stops_when("a 5"))
    watch = Watch()
    count(tmp_path, resume=True, progress=watch)
    shares = {state.doing: state.share for state in watch.states}
    assert shares["a 5"] == 0.0
    assert shares["b 0"] == pytest.approx(0.5 / 1.5)


def test_each_unit_ends_with_a_line_that_guesses_the_rest_until_nothing_is_left(tmp_path):
    lines = []
    count(tmp_path, unit_done=lines.append)
    assert lines == ["a in 0 s; about 0 s left", "b in 0 s"]


def test_the_display_is_closed_after_a_failure(tmp_path):
    watch = Watch()
    with (
        pytest.raises(ZeroDivisionError),
        Study({"a": 1.0}, result=tmp_path / "r.nc", kept=tmp_path, progress=watch),
    ):
        _ = 1 // 0
    assert watch.closed


# --- places ---------------------------------------------------------------------------------------


def test_finished_parts_are_of_one_configuration(tmp_path):
    parts = Parts(tmp_path / "parts")
    assert not parts.begun()
    parts.begin({"n": 3, "widths": (5,)})
    assert parts.begun()
    parts.go_on({"n": 3, "widths": [5]})
    with pytest.raises(InputError, match="n = 3, this command 4"):
        parts.go_on({"n": 4, "widths": [5]})


def test_removing_checkpoints_leaves_the_files_of_others(tmp_path):
    Checkpoint(tmp_path / "kept" / "a").folder.parent.mkdir()
    Checkpoint(tmp_path / "kept" / "a").write({"here": np.array(1)}, {})
    assert any_checkpoint(tmp_path / "kept")
    mine = tmp_path / "kept" / "a" / "notes.txt"
    mine.write_text("mine")
    remove_checkpoints(tmp_path / "kept")
    assert mine.read_text() == "mine"
    mine.unlink()
    (tmp_path / "kept" / "a").rmdir()
    remove_checkpoints(tmp_path / "kept")
    assert not (tmp_path / "kept").exists()

"""What the command line shows: progress, JSON, tables, and the places it may write to."""

import io
import json

import pytest

from flowfa.cli import console, report
from flowfa.cli.progress import ProgressBar
from flowfa.errors import InputError
from flowfa.files.atomic import check_place
from flowfa.studies.progress import ProgressState, TrajectoryCounts


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def drive(bar, fractions=(0.0, 0.5, 1.0)):
    for fraction in fractions:
        counts = TrajectoryCounts(running=3, done=4, failed=1, slowest_time=12.5, steps=99)
        bar.update(ProgressState(fraction, trajectories=counts))


# --- progress -----------------------------------------------------------------------------------


def test_a_terminal_shows_how_the_run_stands():
    stream = Terminal()
    with ProgressBar(stream=stream) as bar:
        drive(bar, [0.5])
    text = stream.getvalue()
    assert " 50%" in text
    assert "3 running, 4 done, 1 failed, t = 12.5, 99 steps" in text


def test_a_terminal_shows_which_unit_is_worked_on_and_how_many_are_done():
    stream = Terminal()
    with ProgressBar(stream=stream) as bar:
        bar.update(ProgressState(0.25, "width 15, epoch 3 of 12", units_done=1, units=4))
    assert "width 15, epoch 3 of 12, 1 of 4 done" in stream.getvalue()


def test_a_pipe_shows_nothing():
    stream = io.StringIO()
    with ProgressBar(stream=stream) as bar:
        drive(bar)
    assert stream.getvalue() == ""


def test_quiet_shows_nothing_in_a_terminal():
    stream = Terminal()
    with ProgressBar(quiet=True, stream=stream) as bar:
        drive(bar)
    assert stream.getvalue() == ""


def test_a_closed_stderr_is_no_error(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    with ProgressBar() as bar:
        drive(bar)


def test_an_interrupt_leaves_a_clean_line():
    stream = Terminal()

    def interrupted():
        with ProgressBar(stream=stream) as bar:
            drive(bar)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    # What the bar wrote last is spaces over itself and a return to the line's beginning.
    *_, blank, rest = stream.getvalue().split("\r")
    assert blank.strip() == ""
    assert rest == ""


def test_updates_after_closing_are_ignored():
    stream = Terminal()
    bar = ProgressBar(stream=stream)
    bar.close()
    bar.close()
    before = stream.getvalue()
    drive(bar)
    assert stream.getvalue() == before


def test_drawing_is_throttled():
    stream = Terminal()
    with ProgressBar(stream=stream) as bar:
        drive(bar, [i / 10_000 for i in range(10_000)])
        assert len(stream.getvalue()) < 10_000


def test_the_beginning_is_told_once_also_to_a_pipe_and_not_before_the_run_begins():
    told = []
    with ProgressBar(on_begin=lambda: told.append(1), stream=io.StringIO()) as bar:
        assert told == []
        drive(bar)
    assert told == [1]


@pytest.mark.parametrize("fraction", [-0.1, 1.1])
def test_a_fraction_out_of_range_is_drawn_at_the_end_of_the_bar(fraction):
    stream = Terminal()
    with ProgressBar(stream=stream) as bar:
        drive(bar, [fraction])
    assert ("100%" if fraction > 1 else "  0%") in stream.getvalue()


# --- JSON ---------------------------------------------------------------------------------------


def test_json_has_null_for_numbers_that_are_not_finite(capsys):
    console.say_json({"a": [float("nan"), 1.5], "b": {"c": float("inf")}, 3: (1, "é")})
    text = capsys.readouterr().out
    assert json.loads(text) == {"a": [None, 1.5], "b": {"c": None}, "3": [1, "é"]}


# --- tables -------------------------------------------------------------------------------------

SUMMARY = {
    "rules": {
        "fa": {
            "trajectories": 12,
            "statuses": {"ok": 2, "chattering": 10},
            "loss": 1.25e-3,
            "accuracy": 1.0,
            "cosine": None,
            "gradient_norm": 0.1,
            "update_norm": 123456.0,
            "alignment": 0.98765,
            "conservation_drift": 3e-9,
            "steps": 57.5,
            "rejected": 0.0,
            "evaluations": 400.0,
        },
    },
    "failures": [
        {
            "trajectory": row,
            "rule": "fa",
            "status": "chattering",
            "t_reached": 20.0 - row,
            "message": f"chatters (neuron {row})",
        }
        for row in range(10)
    ],
}


def test_the_table_has_a_line_a_rule_under_its_titles():
    title, row, note = report.rule_table(SUMMARY)
    assert len(title) == len(row)
    words = row.replace("2 ok, 10 chattering", "status").split()
    assert dict(zip(title.replace("C-1 drift", "drift").replace("cos phi", "cos").split(), words,
                    strict=True)) == {
        "rule": "fa", "status": "status", "loss": "0.00125", "accuracy": "1", "alignment": "0.9877",
        "drift": "3e-09", "cos": "-", "|grad|": "0.1", "|G|": "123456", "steps": "57.5",
        "rejected": "0", "evals": "400",
    }  # fmt: skip
    assert "medians" in note


def test_failures_of_a_kind_are_one_line_with_the_first_in_time():
    (line,) = report.failure_lines(SUMMARY)
    assert line == (
        "chattering: fa, trajectories 0, 1, 2, 3, 4, 5, 6, 7 and 2 more; "
        "trajectory 9 at t = 11 chatters (neuron 9)"
    )


def test_a_run_without_failures_has_no_line_about_them():
    assert report.failure_lines({"rules": {}, "failures": []}) == []


# --- places to write to -------------------------------------------------------------------------


def test_a_free_place_is_accepted(tmp_path):
    check_place(tmp_path / "a.png", False, "plot")


def test_an_existing_file_is_refused_unless_it_may_be_replaced(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("")
    with pytest.raises(InputError, match=r"exists: replace it with `overwrite=True`"):
        check_place(path, False, "plot")
    check_place(path, True, "plot")


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(InputError, match="is a directory"):
        check_place(tmp_path, True, "plot")


def test_a_missing_folder_is_refused_with_the_flag_to_mend_it(tmp_path):
    with pytest.raises(InputError, match=r"there is no folder.*`plot`"):
        check_place(tmp_path / "absent" / "a.png", True, "plot")


def test_a_folder_that_refuses_files_is_refused(tmp_path):
    # Not even root may write below a file, or under a name this long.
    with pytest.raises(InputError, match=r"cannot be written.*`plot`"):
        check_place(tmp_path / ("a" * 300 + ".png"), True, "plot")

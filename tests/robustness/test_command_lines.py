"""Command lines at random: each is understood or refused in a line, and leaves nothing behind."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowfa.cli import running
from flowfa.cli.main import main
from flowfa.cli.parsing import SETTINGS
from flowfa.cli.words import flags_of
from tests.support.damage import SOAK

EXAMPLES = 500 if SOAK else 40
WORDS = st.one_of(
    st.sampled_from(
        ["0", "-1", "1e400", "nan", "-inf", "None", "fa", "gd", "", "--", "-h", "=", "1_0", "٣"]
    ),
    st.text(max_size=8),
    st.integers(-(10**30), 10**30).map(str),
    st.floats().map(str),
)


@st.composite
def command_lines(draw):
    """A command, some of its flags, and words that may or may not fit."""
    command = draw(st.sampled_from([*SETTINGS, "simulat", ""]))
    group = SETTINGS.get(command, SETTINGS["simulate"])
    # With --debug a traceback is what was asked for.
    flags = [s.flag for s in flags_of(group, group) if s.flag != "--debug"]
    words = command.split()
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(["flag", "flag", "word", "joined", "cut"]))
        flag = draw(st.sampled_from(flags))
        if kind == "flag":
            words += [flag, *draw(st.lists(WORDS, max_size=2))]
        elif kind == "joined":
            words.append(f"{flag}={draw(WORDS)}")
        elif kind == "cut":
            words.append(flag[: draw(st.integers(1, len(flag)))])
        else:
            words.append(draw(WORDS))
    return words


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder; commands that are understood are not carried out in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(running, "_dispatch", lambda command, argv: 0)
    return tmp_path


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(words=command_lines())
def test_a_command_line_is_understood_or_refused_in_a_line(place, capsys, words):
    capsys.readouterr()
    status = main(words)
    told = capsys.readouterr()
    assert status in (0, 64), (status, told.err)
    assert "Traceback" not in told.err
    if status == 64:
        assert told.out == "" and told.err.startswith("flowfa: ") and told.err.count("\n") == 1
    assert list(place.iterdir()) == []


def test_help_in_the_place_of_a_value_is_refused_in_a_line(place, capsys):
    assert main(["simulate", "--seed", "-h"]) == 64
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1


def test_an_error_that_is_no_refusal_is_seen(place, capsys, monkeypatch):
    """The property above would fail."""

    def broken(argv):
        raise ZeroDivisionError

    monkeypatch.setattr("flowfa.cli.parsing.parse", broken)
    assert main(["simulate"]) == 70

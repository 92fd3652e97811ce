"""The lock of what is written over some time: one writer, and never a stale lock."""

from __future__ import annotations

import errno
import fcntl
import os
import re

import pytest

from flowfa.errors import InputError
from flowfa.files.atomic import check_place, partial_path, replacing
from flowfa.files.lock import lock_path, sole_writer
from tests.support.writers import in_another_thread, other_writer


def enter(path):
    with sole_writer(path):
        return "entered"


def test_another_process_is_refused_with_whom_it_waits_for_and_since_when(tmp_path):
    with other_writer(tmp_path / "run.nc") as process:
        told = in_another_thread(lambda: enter(tmp_path / "run.nc"))
    assert isinstance(told, InputError)
    began = r"which began \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    assert re.search(rf"by process {process.pid}, {began}", str(told))
    assert "`path`" in str(told) and "\n" not in str(told)


def test_a_killed_process_leaves_no_stale_lock(tmp_path):
    with other_writer(tmp_path / "run.nc"):
        pass
    assert lock_path(tmp_path / "run.nc").exists(), "it had no time to tidy up"
    assert enter(tmp_path / "run.nc") == "entered"
    assert list(tmp_path.iterdir()) == []


def test_another_thread_is_refused_and_the_same_one_is_not(tmp_path):
    path = tmp_path / "run.nc"
    with sole_writer(path):
        assert enter(path) == "entered"
        told = in_another_thread(lambda: enter(path))
        assert isinstance(told, InputError) and f"process {os.getpid()}" in str(told)
    assert in_another_thread(lambda: enter(path)) == "entered"


def test_one_file_under_two_names_has_one_lock(tmp_path):
    (tmp_path / "other.nc").symlink_to(tmp_path / "run.nc")
    with sole_writer(tmp_path / "run.nc"):
        assert isinstance(in_another_thread(lambda: enter(tmp_path / "other.nc")), InputError)
        assert in_another_thread(lambda: enter(tmp_path / "run2.nc")) == "entered"


def test_an_error_releases_the_lock(tmp_path):
    with pytest.raises(KeyError), sole_writer(tmp_path / "run.nc"):
        raise KeyError
    assert in_another_thread(lambda: enter(tmp_path / "run.nc")) == "entered"


def test_a_place_where_no_file_can_be_made_is_not_called_busy():
    with pytest.raises(FileNotFoundError), sole_writer("/proc/run.nc"):
        pass


def test_a_file_system_without_locks_is_told_and_the_work_goes_on(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSYS, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.warns(UserWarning, match=r"has no locks .*no other process"):
        assert enter(tmp_path / "run.nc") == "entered"
    assert list(tmp_path.iterdir()) == []


def test_looking_at_a_place_leaves_what_is_being_written_there(tmp_path):
    with replacing(tmp_path / "figure.png") as partial:
        partial.write_text("half of it")
        check_place(tmp_path / "figure.png", overwrite=True)
        assert partial_path(tmp_path / "figure.png").read_text() == "half of it"
    assert (tmp_path / "figure.png").read_text() == "half of it"


def test_two_writers_of_one_file_do_not_mix(tmp_path):
    def write():
        with replacing(tmp_path / "figure.png") as partial:
            partial.write_text("second")

    with replacing(tmp_path / "figure.png") as partial:
        partial.write_text("first")
        assert "is being written" in str(in_another_thread(write))
    assert (tmp_path / "figure.png").read_text() == "first"

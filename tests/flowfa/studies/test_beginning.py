"""What resume and overwrite mean, the same for every study."""

from __future__ import annotations

import pytest

from flowfa.errors import InputError
from flowfa.records import Checkpoint
from flowfa.studies.beginning import goes_on, open_output
from tests.support.writers import in_another_thread


def outcome(folder, *, there=False, **asked):
    """Return whether a study goes on, or what it is told."""
    result = folder / "run.nc"
    if there:
        result.write_text("")
    asked = {"begun": False, "resume": False, "overwrite": False} | asked
    try:
        return goes_on(result, folder / "kept", **asked)
    except InputError as error:
        return str(error)


def test_work_that_was_begun_goes_on_with_resume(tmp_path):
    assert outcome(tmp_path, begun=True, resume=True) is True
    assert outcome(tmp_path, begun=True, resume=True, overwrite=True) is True


def test_work_that_was_begun_is_not_dropped_unasked(tmp_path):
    told = outcome(tmp_path, begun=True)
    assert "unfinished run" in told and "`resume=True`" in told and "`overwrite=True`" in told
    assert outcome(tmp_path, begun=True, overwrite=True) is False


def test_nothing_to_resume_is_told_with_what_is_there(tmp_path):
    assert "was never begun" in outcome(tmp_path, resume=True)
    assert "is complete" in outcome(tmp_path, resume=True, there=True)


def test_a_command_that_may_begin_begins_unless_its_result_is_there(tmp_path):
    assert outcome(tmp_path, resume=True, may_begin=True) is False
    told = outcome(tmp_path, resume=True, may_begin=True, there=True)
    assert "is complete" in told and "`overwrite=True`" in told
    assert outcome(tmp_path, resume=True, may_begin=True, overwrite=True, there=True) is False


def opened(result, kept, *, resume=False, overwrite=False):
    with open_output(result, kept, resume, overwrite) as go_on:
        return go_on


def test_opening_drops_the_checkpoints_of_work_that_begins_anew(tmp_path):
    result, kept = tmp_path / "out" / "run.nc", tmp_path / "out" / "run.nc.checkpoint"
    assert opened(result, kept) is False
    Checkpoint(kept / "unit").write({}, {})
    with pytest.raises(InputError, match="unfinished run"):
        opened(result, kept)
    assert opened(result, kept, resume=True) is True
    assert Checkpoint(kept / "unit").exists()
    assert opened(result, kept, overwrite=True) is False
    assert not Checkpoint(kept / "unit").exists() and kept.is_dir()


def test_a_result_that_is_there_is_not_replaced_unasked(tmp_path):
    result = tmp_path / "run.nc"
    result.write_text("precious")
    with pytest.raises(InputError, match="exists"):
        opened(result, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("asked", [{}, {"resume": True}, {"overwrite": True}])
def test_a_study_that_is_being_worked_on_is_not_opened_again(tmp_path, asked):
    result, kept = tmp_path / "out" / "run.nc", tmp_path / "out" / "run.nc.checkpoint"
    with open_output(result, kept, resume=False, overwrite=False):
        Checkpoint(kept / "unit").write({}, {})
        told = in_another_thread(lambda: opened(result, kept, **asked))
        assert isinstance(told, InputError) and "is being written by process" in str(told)
        assert Checkpoint(kept / "unit").exists()
    assert opened(result, kept, resume=True) is True

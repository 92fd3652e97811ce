"""Cells that are computed: the same bytes whoever does it, and nothing lost on the way."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
import pytest

import flowfa
from flowfa.errors import InputError, Interrupted
from flowfa.files.lock import sole_writer
from flowfa.sweeps import SweepFolder, commands, local, work_through
from flowfa.sweeps import cell as cells
from flowfa.sweeps.folder import ERROR, SOLVER
from tests.support.sweeps import SETTINGS, begun, contents, small_plan
from tests.support.watching import Watch
from tests.support.writers import in_another_thread


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a sweep that one process computed in one go; no test may change it."""
    folder = begun(tmp_path_factory.mktemp("whole") / "sweep", small_plan())
    work_through(folder, folder.plan(same_code=True))
    return folder


def test_a_cell_is_the_run_of_its_settings(whole):
    plan = whole.plan()
    cell = plan.cells[1]
    assert cell.title == "rule = fa, leak = 1"
    data = flowfa.datasets.nearly_orthogonal(samples=4, dim=6, seed=0)
    problem = flowfa.Problem(data, (3,), leak=1.0, rule="fa")
    run = flowfa.simulate(problem, 2, t_end=1.0, save=3, threads=1)
    found = flowfa.load(whole.file(cell))
    for name in ("loss", "alignment"):
        np.testing.assert_array_equal(
            found["trajectory"][name].values, run.tree["trajectory"][name].values
        )
    assert found.attrs["status"] == "ok"
    assert "created" not in found.attrs and "solve_seconds" not in found.attrs


def test_a_cell_does_not_depend_on_files_beside_the_code(whole, tmp_path, monkeypatch):
    """Such as a page that is edited while the sweep runs, by which a working tree is dirty."""
    monkeypatch.setattr("flowfa.simulation.provenance.git_revision", lambda: "another")
    plan = whole.plan()
    folder = begun(tmp_path / "sweep", plan)
    work_through(folder, plan, cells=plan.cells[:1])
    assert folder.file(plan.cells[0]).read_bytes() == whole.file(plan.cells[0]).read_bytes()


def test_several_processes_write_the_same_bytes(whole, tmp_path):
    folder = begun(tmp_path / "sweep", whole.plan())
    local.work_side_by_side(folder, folder.plan(), 2)
    assert contents(folder) == contents(whole)


def test_a_cell_that_keeps_checkpoints_goes_on_to_the_same_bytes(whole, tmp_path):
    plan = small_plan(
        checkpoint_every=1e-9, grid={"leak": [0.5]}, settings={**SETTINGS, "rule": "fa"}
    )
    folder = begun(tmp_path / "sweep", plan)

    def interrupt(state):
        if state.trajectories is not None and state.trajectories.steps > 4:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        work_through(folder, plan, progress=Watch(interrupt))
    assert any(file.suffix == ".checkpoint" for file in folder.cells.iterdir())
    work_through(folder, plan)
    (found,) = contents(folder).values()
    assert found == whole.file(whole.plan().cells[0]).read_bytes()


def test_a_stopped_sweep_goes_on_with_the_cells_that_are_missing(whole, tmp_path):
    folder = begun(tmp_path / "sweep", whole.plan())

    def interrupt(state):
        if "cell 3 of 4" in state.doing:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted, match=r"stopped after 2 of 4 cells.*flowfa sweep resume"):
        work_through(folder, folder.plan(), progress=Watch(interrupt))
    counts = folder.counts(folder.plan())
    assert (counts.done, counts.missing, counts.failed) == (2, 2, 0)
    before = {name: os.stat(folder.cells / name).st_mtime_ns for name in contents(folder)}
    work_through(folder, folder.plan())
    assert contents(folder) == contents(whole)
    for name, written in before.items():
        assert os.stat(folder.cells / name).st_mtime_ns == written, "it was computed again"


def test_a_killed_worker_loses_no_finished_cell_and_is_replaced(whole, tmp_path, monkeypatch):
    folder, begin = begun(tmp_path / "sweep", whole.plan()), local._start
    started = []

    def start(*arguments):
        started.append(begin(*arguments))
        return started[-1]

    def kill(state):
        # Once, as soon as the first worker holds a cell.
        first = started[0].process
        if first.poll() is None and len(started) == 1:
            held = local._cell_of(first.pid, folder, folder.plan())
            if held is not None:
                os.kill(first.pid, signal.SIGKILL)
                time.sleep(0.1)

    monkeypatch.setattr(local, "_start", start)
    local.work_side_by_side(folder, folder.plan(), 1, progress=Watch(kill))
    assert len(started) == 2 and started[0].process.returncode == -signal.SIGKILL
    assert contents(folder) == contents(whole)


def crew_of(script, folder):
    """Return what starts a process that runs a script in the place of a worker."""

    def start(*arguments):
        errors = tempfile.TemporaryFile()  # noqa: SIM115
        process = subprocess.Popen([sys.executable, "-c", script, str(folder)], stderr=errors)
        return local._Worker(process, errors)

    return start


def test_a_cell_that_kills_its_processes_is_given_up_and_the_others_are_done(tmp_path, monkeypatch):
    plan = small_plan()
    folder = begun(tmp_path / "sweep", plan)
    file, failed = folder.file(plan.cells[0]), folder.failed / f"{plan.cells[0].digest}.json"
    script = f"""
import os
from flowfa.files.lock import sole_writer
if not os.path.exists({str(failed)!r}):
    with sole_writer({str(file)!r}):
        os.kill(os.getpid(), 9)
"""
    monkeypatch.setattr(local, "_start", crew_of(script, folder.path))
    local.work_side_by_side(folder, plan, 1)
    failure = folder.failure(plan.cells[0])
    assert failure is not None and "2 processes ended" in failure["message"]
    assert "signal 9" in failure["message"]
    assert folder.counts(plan).done == 3


def test_a_worker_that_warns_much_is_not_stopped_by_it(tmp_path, monkeypatch):
    """A pipe that nobody reads is full after 64 kB, and its writer then waits for ever."""
    plan = small_plan()
    folder = begun(tmp_path / "sweep", plan)
    script = "import sys; sys.stderr.write('a warning of a cell\\n' * 10**5); sys.exit(64)"
    monkeypatch.setattr(local, "_start", crew_of(script, folder.path))
    with pytest.raises(InputError, match=r"^a warning of a cell$"):
        local.work_side_by_side(folder, plan, 1)


def test_a_damaged_checkpoint_of_a_cell_is_begun_anew(whole, tmp_path):
    plan = small_plan(
        checkpoint_every=1e-9, grid={"leak": [0.5]}, settings={**SETTINGS, "rule": "fa"}
    )
    folder = begun(tmp_path / "sweep", plan)

    def interrupt(state):
        if state.trajectories is not None and state.trajectories.steps > 4:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        work_through(folder, plan, progress=Watch(interrupt))
    (state,) = folder.cells.glob("*.checkpoint/state.npz")
    state.write_bytes(state.read_bytes()[:500])
    work_through(folder, plan)
    assert folder.failed_cells(plan) == []
    (found,) = contents(folder).values()
    assert found == whole.file(whole.plan().cells[0]).read_bytes()


def test_a_poison_cell_is_noted_with_its_message_and_the_rest_is_done(tmp_path, monkeypatch):
    plan = small_plan()
    folder, problem_from = begun(tmp_path / "sweep", plan), commands.problem_from

    def poisoned(settings):
        if settings.leak == 1.0 and settings.rule == ("fa",):
            raise ZeroDivisionError("poison")
        return problem_from(settings)

    monkeypatch.setattr(commands, "problem_from", poisoned)
    work_through(folder, plan)
    assert folder.failure(plan.cells[1]) == {"kind": ERROR, "message": "ZeroDivisionError: poison"}
    counts = folder.counts(plan)
    assert (counts.done, counts.failed, counts.missing) == (3, 1, 0)
    monkeypatch.undo()
    assert folder.forget_failures(plan) == 1
    work_through(folder, plan)
    assert folder.counts(plan).done == 4


def test_a_solver_that_fails_is_a_failure_with_a_file(tmp_path):
    plan = small_plan(settings={**SETTINGS, "max_steps": 1, "solver": "dopri5"})
    folder = begun(tmp_path / "sweep", plan)
    work_through(folder, plan)
    assert folder.counts(plan).failed == 4
    failure = folder.failure(plan.cells[0])
    assert failure is not None and failure["kind"] == SOLVER and "max_steps" in failure["message"]
    assert flowfa.load(folder.file(plan.cells[0])).attrs["status"] == "2 of 2 ended early"
    assert folder.forget_failures(plan) == 0, "it would fail again in the same way"


def test_a_cell_without_memory_is_tried_again_alone(tmp_path, monkeypatch):
    plan = small_plan()
    folder = begun(tmp_path / "sweep", plan)
    folder.fail(plan.cells[0], "memory", "out of memory")
    monkeypatch.setattr(local, "_start", crew_of("pass", folder.path))
    local.work_side_by_side(folder, plan, 1)
    assert folder.counts(plan).done == 4


def test_a_full_disk_stops_the_sweep_and_the_cells_so_far_are_whole(whole, tmp_path, monkeypatch):
    folder, save = begun(tmp_path / "sweep", whole.plan()), cells.save_alike

    def fill_up(tree, path, attributes):
        if folder.counts(folder.plan()).done == 2:
            raise InputError("no room") from OSError(errno.ENOSPC, "no space left")
        save(tree, path, attributes)

    monkeypatch.setattr(cells, "save_alike", fill_up)
    with pytest.raises(InputError, match=r"disk of .* is full.*flowfa sweep resume"):
        work_through(folder, folder.plan())
    assert folder.counts(folder.plan()).failed == 0
    monkeypatch.undo()
    assert all(contents(whole)[name] == found for name, found in contents(folder).items())
    work_through(folder, folder.plan())
    assert contents(folder) == contents(whole)


def test_a_cell_that_another_process_computes_is_left_to_it(tmp_path):
    plan = small_plan()
    folder = begun(tmp_path / "sweep", plan)
    with sole_writer(folder.file(plan.cells[0])):
        assert in_another_thread(lambda: work_through(folder, plan)) is None
        counts = in_another_thread(lambda: folder.counts(plan))
    assert (counts.done, counts.running, counts.missing) == (3, 1, 0)


def test_a_plan_of_other_code_is_not_gone_on_with(whole, monkeypatch):
    monkeypatch.setattr("flowfa.sweeps.folder.code_digest", lambda check: "other")
    whole.plan()
    with pytest.raises(InputError, match="another version"):
        whole.plan(same_code=True)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 99}', "[" * 10**5, '{"format": 1, "cells": [{}]}']
)
def test_a_damaged_plan_is_told(tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(InputError, match="is damaged"):
        SweepFolder(tmp_path).plan()


def test_a_plan_cannot_name_a_file_outside_of_its_folder(tmp_path):
    plan = small_plan().to_json_dict()
    plan["cells"][0]["digest"] = "../../elsewhere/run-1234"
    import json

    (tmp_path / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(InputError, match="no digest"):
        SweepFolder(tmp_path).plan()


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="no folder of a sweep"):
        SweepFolder(tmp_path).begin(small_plan())
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


def cut_off(folder, sizes):
    """Cut the files of the first cells to sizes; return them."""
    files = [folder.file(cell) for cell in folder.plan().cells[: len(sizes)]]
    for file, size in zip(files, sizes, strict=True):
        file.write_bytes(file.read_bytes()[:size])
    return files


def copied(whole, path):
    shutil.copytree(whole.path, path)
    return SweepFolder(path)


def test_a_cell_whose_file_was_cut_off_is_missing_and_computed_again(whole, tmp_path):
    folder = copied(whole, tmp_path / "sweep")
    plan = folder.plan()
    assert folder.damaged(plan) == [] and folder.forget_damaged(plan) == []
    files = cut_off(folder, [0, 5000, -1])
    counts = folder.counts(plan)
    assert (counts.done, counts.missing, counts.failed, counts.cells) == (1, 3, 0, 4)
    assert folder.forget_damaged(plan) == files
    work_through(folder, plan)
    assert contents(folder) == contents(whole)


def test_a_cut_off_file_of_a_failed_cell_is_tried_again(whole, tmp_path):
    folder = copied(whole, tmp_path / "sweep")
    plan = folder.plan()
    folder.fail(plan.cells[0], SOLVER, "max_steps")
    assert folder.counts(plan).failed == 1
    cut_off(folder, [100])
    assert (folder.counts(plan).failed, folder.counts(plan).missing) == (0, 1)
    folder.forget_damaged(plan)
    assert folder.failure(plan.cells[0]) is None and folder.left(plan) == [plan.cells[0]]


def test_a_file_that_may_not_be_read_is_not_taken_for_damaged(whole, tmp_path, monkeypatch):
    folder = copied(whole, tmp_path / "sweep")
    plan = folder.plan()
    cut_off(folder, [0])
    assert folder.damaged(plan) == [plan.cells[0]], "a control"

    def refused(*arguments, **choices):
        raise PermissionError(errno.EACCES, "permission denied")

    monkeypatch.setattr("pathlib.Path.open", refused)
    assert folder.damaged(plan) == []


def test_what_is_done_counts_when_a_sweep_is_stopped(whole, tmp_path, monkeypatch):
    """Also by workers that were not begun by this process, and by those that it stops last."""
    folder = copied(whole, tmp_path / "sweep")
    plan = folder.plan()
    for cell in plan.cells[:2]:
        folder.file(cell).unlink()

    def interrupt(state):
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted, match="stopped after 2 of 4 cells"):
        work_through(folder, plan, progress=Watch(interrupt))

    def end(crew):
        finish(crew)
        folder.file(plan.cells[0]).write_bytes(whole.file(plan.cells[0]).read_bytes())

    finish = local._end
    monkeypatch.setattr(local, "_end", end)
    monkeypatch.setattr(local, "_start", crew_of("import time; time.sleep(60)", folder.path))
    with pytest.raises(Interrupted, match="stopped after 3 of 4 cells"):
        local.work_side_by_side(folder, plan, 1, progress=Watch(interrupt))

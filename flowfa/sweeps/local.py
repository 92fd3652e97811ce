"""Several processes on this machine that work on one sweep, watched by the one that began it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from flowfa.errors import InputError, Interrupted
from flowfa.files.lock import BusyError, holder_of, lock_path, sole_writer
from flowfa.studies.interruption import StopRequest
from flowfa.studies.progress import Progress
from flowfa.sweeps.folder import ERROR, MEMORY, SweepFolder
from flowfa.sweeps.plan import Cell, Plan
from flowfa.sweeps.standing import Standing
from flowfa.sweeps.work import work_through
from flowfa.sweeps.worker import REFUSED, STOPPED, find_checker

_LOOK = 0.1
"""Seconds between two looks at the workers."""
MOST_DEATHS = 2
"""A cell during which this many workers were killed is given up."""
MOST_IDLE_DEATHS = 10
"""So often may workers end while they compute nothing."""


def work_side_by_side(
    folder: SweepFolder,
    plan: Plan,
    workers: int,
    *,
    checker: str = "",
    progress: Progress | None = None,
) -> None:
    """Compute all cells by several processes.

    Parameters
    ----------
    folder : SweepFolder
    plan : Plan
    workers : int
    checker : str
        ``module:function`` that adds verdicts to the file of a cell.
    progress : Progress, optional

    Raises
    ------
    InputError
        If a worker could not go on, such as on a full disk.
    Interrupted
        After SIGINT or SIGTERM, when the workers have stopped.
    """
    deaths: Counter[str] = Counter()
    standing = Standing(folder, plan)
    crew = [_start(folder, part, workers, checker) for part in range(workers)]
    stopped = None
    try:
        with StopRequest() as stop:
            while crew:
                stopped = stop.received
                if stopped is not None:
                    break
                if progress is not None:
                    progress.update(standing.state)
                time.sleep(_LOOK)
                for worker in [worker for worker in crew if worker.process.poll() is not None]:
                    crew.remove(worker)
                    if _replace(worker, folder, plan, deaths):
                        crew.append(_start(folder, len(crew), workers, checker))
    finally:
        _end(crew)
        if progress is not None:
            progress.close()
    if stopped is not None:
        # Counted only now, since a worker may have ended its cell before it stopped.
        raise Interrupted(standing.stopped, stopped)
    # What did not fit beside others may fit alone; and a cell that another machine was computing
    # when the workers passed it is done, or left to us.
    folder.forget_failures(plan, (MEMORY,))
    work_through(folder, plan, cells=folder.left(plan), checker=find_checker(checker))


@dataclass
class _Worker:
    """A process that works on the sweep, and the file into which it writes its errors.

    A file, because a pipe that nobody reads is full after some warnings, and who writes into it
    then waits for ever.
    """

    process: subprocess.Popen[bytes]
    errors: IO[bytes]

    @property
    def last_words(self) -> str:
        """The last line that it wrote; nothing if it wrote none."""
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


def _start(folder: SweepFolder, part: int, parts: int, checker: str) -> _Worker:
    command = [sys.executable, "-m", "flowfa.sweeps.worker"]
    # The code that this process has imported, wherever it was found.
    places = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = {
        "OMP_NUM_THREADS": "1",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(place for place in places if place),
    }
    errors = tempfile.TemporaryFile()  # noqa: SIM115 -- closed when the worker has ended
    process = subprocess.Popen(
        [*command, str(folder.path), str(part), str(parts), checker],
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=errors,
        # Ctrl-C in the terminal is for the parent, which ends the workers itself.
        start_new_session=True,
    )
    return _Worker(process, errors)


def _replace(worker: _Worker, folder: SweepFolder, plan: Plan, deaths: Counter[str]) -> bool:
    """Return whether a worker that has ended needs another one in its place.

    Raises
    ------
    InputError
        If it said why it could not go on.
    """
    status, said = worker.process.returncode, worker.last_words
    worker.errors.close()
    if status in (0, STOPPED):
        return False
    if status == REFUSED:
        raise InputError(said or "a worker could not go on")
    cell = _cell_of(worker.process.pid, folder, plan)
    if cell is None:
        # It died between two cells, or before the first: as often as there are workers, and more.
        deaths[""] += 1
        if deaths[""] > MOST_IDLE_DEATHS:
            raise InputError(
                f"workers end before they compute anything ({said or f'exit status {status}'})"
            )
        return True
    deaths[cell.digest] += 1
    with contextlib.suppress(BusyError), sole_writer(folder.file(cell)):
        # What it had signed goes with the lock, so that nobody takes it to hold the cell still.
        if deaths[cell.digest] >= MOST_DEATHS:
            folder.fail(
                cell,
                ERROR,
                f"{MOST_DEATHS} processes ended while they computed it, the last by "
                f"{_how(status)}; out of memory ends processes so",
            )
    return True


def _cell_of(process: int, folder: SweepFolder, plan: Plan) -> Cell | None:
    """Return the cell that a process that was killed was computing."""
    for cell in folder.left(plan):
        file = lock_path(folder.file(cell))
        if file.exists() and holder_of(file) == process:
            return cell
    return None


def _how(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"


def _end(crew: list[_Worker]) -> None:
    """Ask workers to stop, and wait until they have; who does not in time is killed."""
    for worker in crew:
        worker.process.terminate()
    for worker in crew:
        try:
            worker.process.wait(timeout=60.0)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        worker.errors.close()

"""Several processes on this machine that work on one sweep, watched by the one that began it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from flowfa.errors import InputError, Interrupted
from flowfa.files.lock import holder_of, lock_path
from flowfa.studies.interruption import StopRequest
from flowfa.studies.progress import Progress, ProgressState
from flowfa.sweeps.folder import ERROR, MEMORY, SweepFolder
from flowfa.sweeps.plan import Cell, Plan
from flowfa.sweeps.work import work_through
from flowfa.sweeps.worker import STOPPED, find_checker

_LOOK = 0.1
"""Seconds between two looks at the workers."""
MOST_DEATHS = 2
"""A cell during which this many workers were killed is given up."""


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
    crew = [_start(folder, part, workers, checker) for part in range(workers)]
    try:
        with StopRequest() as stop:
            while crew:
                if stop.received is not None:
                    raise Interrupted(_stopped(folder, plan), stop.received)
                if progress is not None:
                    progress.update(_state(folder, plan))
                time.sleep(_LOOK)
                for worker in [worker for worker in crew if worker.poll() is not None]:
                    crew.remove(worker)
                    if _replace(worker, folder, plan, deaths):
                        crew.append(_start(folder, len(crew), workers, checker))
    finally:
        _end(crew)
        if progress is not None:
            progress.close()
    # What did not fit beside others may fit alone; and a cell that another machine was computing
    # when the workers passed it is done, or left to us.
    folder.forget_failures(plan, (MEMORY,))
    work_through(folder, plan, cells=folder.left(plan), checker=find_checker(checker))


def _start(folder: SweepFolder, part: int, parts: int, checker: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "flowfa.sweeps.worker"]
    # The code that this process has imported, wherever it was found.
    places = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = {
        "OMP_NUM_THREADS": "1",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(place for place in places if place),
    }
    return subprocess.Popen(
        [*command, str(folder.path), str(part), str(parts), checker],
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # Ctrl-C in the terminal is for the parent, which ends the workers itself.
        start_new_session=True,
    )


def _replace(
    worker: subprocess.Popen[str], folder: SweepFolder, plan: Plan, deaths: Counter[str]
) -> bool:
    """Return whether a worker that has ended needs another one in its place.

    Raises
    ------
    InputError
        If it said why it could not go on.
    """
    assert worker.stderr is not None
    said = worker.stderr.read().strip()
    worker.stderr.close()
    if worker.returncode in (0, STOPPED):
        return False
    if worker.returncode == 64:
        raise InputError(said.splitlines()[-1] if said else "a worker could not go on")
    cell = _cell_of(worker.pid, folder, plan)
    if cell is None:
        # It died between two cells, or before the first: as often as there are workers, and more.
        deaths[""] += 1
        if deaths[""] > 10:
            last = said.splitlines()[-1] if said else f"exit status {worker.returncode}"
            raise InputError(f"workers end before they compute anything ({last})")
        return True
    deaths[cell.digest] += 1
    lock_path(folder.file(cell)).unlink(missing_ok=True)
    if deaths[cell.digest] >= MOST_DEATHS:
        folder.fail(
            cell,
            ERROR,
            f"{MOST_DEATHS} processes ended while they computed it, the last by "
            f"{_how(worker.returncode)}; out of memory ends processes so",
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


def _state(folder: SweepFolder, plan: Plan) -> ProgressState:
    cells, done = len(plan.cells), len(plan.cells) - len(folder.left(plan))
    return ProgressState(done / cells, f"{done} of {cells} cells")


def _stopped(folder: SweepFolder, plan: Plan) -> str:
    done = len(plan.cells) - len(folder.left(plan))
    return (
        f"stopped after {done} of {len(plan.cells)} cells, which are kept: go on with flowfa sweep "
        f"resume {folder.path}"
    )


def _end(crew: list[subprocess.Popen[str]]) -> None:
    """Ask workers to stop, and wait until they have; who does not in time is killed."""
    for worker in crew:
        worker.terminate()
    for worker in crew:
        try:
            worker.wait(timeout=60.0)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
        if worker.stderr is not None:
            worker.stderr.close()

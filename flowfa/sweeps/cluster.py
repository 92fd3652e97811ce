"""The batches of a sweep on the workers of a Dask scheduler, which must see the folder too.

Dask is told of batches, and of few at a time, so that its scheduler stays small. It is not asked
what is done: the folder says that. So nothing is lost with a worker, the scheduler or the client.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flowfa.errors import InputError, Interrupted
from flowfa.studies.interruption import StopRequest
from flowfa.studies.progress import Progress
from flowfa.sweeps.calibration import BATCH_SECONDS, batches
from flowfa.sweeps.folder import ERROR, MEMORY, PLAN, SweepFolder
from flowfa.sweeps.plan import Cell, Plan
from flowfa.sweeps.standing import Standing
from flowfa.sweeps.work import work_through
from flowfa.sweeps.worker import find_checker

CONNECT_SECONDS = 20.0
WINDOW = 3
"""Batches that are submitted at a time, for each thread of a worker."""
PARTS_OF_THREAD = 4
"""Into so many batches for each thread cells are split, so that none waits long for another."""
_LOOK = 0.5
_one_batch = threading.Lock()
"""Torch's number of threads is that of the process, so that a worker has one batch at a time."""


def work_on_cluster(
    folder: SweepFolder,
    plan: Plan,
    *,
    address: str | None = None,
    file: str | None = None,
    resource: str | None = None,
    detach: bool = False,
    checker: str = "",
    progress: Progress | None = None,
) -> None:
    """Compute all cells on the workers of a scheduler.

    Parameters
    ----------
    folder : SweepFolder
    plan : Plan
    address, file : str, optional
        The scheduler's address, or the file in which it wrote it.
    resource : str, optional
        What a batch takes of a worker: ``GPU=1``.
    detach : bool
        Submit everything, and leave.
    checker : str
        ``module:function`` that adds verdicts to the file of a cell.
    progress : Progress, optional

    Raises
    ------
    InputError
        If Dask is not installed, or the scheduler cannot be reached or is gone.
    Interrupted
        After SIGINT or SIGTERM; batches that were begun are cancelled.
    """
    distributed = _dask()
    needs = _resource(resource)
    place = address if address is not None else f"of {file}"
    if file is not None and not Path(file).is_file():
        raise InputError(f"there is no file {file}: let the scheduler write its address there")
    with _quiet():
        try:
            client = distributed.Client(address, scheduler_file=file, timeout=CONNECT_SECONDS)
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"the scheduler {place} cannot be reached ({type(error).__name__}): start it with "
                "dask scheduler, or correct `scheduler`"
            ) from error
        _with_client(client, place, folder, plan, checker, needs, detach, progress)
    if detach:
        return
    folder.forget_failures(plan, (MEMORY,))
    work_through(folder, plan, cells=folder.left(plan), checker=find_checker(checker))


def _with_client(
    client: Any,
    place: str,
    folder: SweepFolder,
    plan: Plan,
    checker: str,
    needs: dict[str, float],
    detach: bool,
    progress: Progress | None,
) -> None:
    distributed = _dask()
    try:
        crew = _Crew(client, folder, plan, checker, needs)
        if detach:
            crew.leave()
        else:
            crew.work(progress)
    except (OSError, TimeoutError, RuntimeError, distributed.CancelledError) as error:
        left = len(folder.left(plan))
        raise InputError(
            f"the scheduler {place} is gone ({type(error).__name__}): "
            f"{len(plan.cells) - left} of {len(plan.cells)} cells are done; go on with flowfa "
            f"sweep resume {folder.path} when there is one again"
        ) from error
    finally:
        if progress is not None:
            progress.close()
        client.close(timeout=5.0)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Let Dask not tell of a lost scheduler in lines of its own, beside the one that we tell."""
    loggers = [
        logging.getLogger(name)
        for name in list(logging.root.manager.loggerDict)
        if name.split(".")[0] == "distributed"
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def run_batch(
    folder: str, digests: list[str], checker: str, seconds: float = math.inf
) -> list[str]:
    """Compute some cells of a sweep; what a worker does.

    Parameters
    ----------
    folder : str
    digests : list of str
        Of the cells.
    checker : str
        ``module:function`` that adds verdicts to the file of a cell.
    seconds : float
        After this time no other cell is begun.

    Returns
    -------
    list of str
        The cells that it has left.
    """
    # In a worker xarray asks the scheduler for its locks; where that is gone it could not write.
    local = importlib.import_module("dask").config.set(scheduler="synchronous")
    with _one_batch, local:
        place = SweepFolder(folder)
        plan, cells = _plan_of(folder, (place.path / PLAN).stat().st_mtime_ns)
        until = time.monotonic() + seconds
        for number, digest in enumerate(digests):
            if number and time.monotonic() > until:
                return digests[number:]
            work_through(place, plan, cells=[cells[digest]], checker=find_checker(checker))
        return []


def _task() -> Callable[..., list[str]]:
    """Return what calls `run_batch`, such that a scheduler can unpack it without flowfa.

    A function in a function travels as its code and not as a name. By its name, the scheduler would
    load flowfa and torch, or fail where it has none, and answer nobody meanwhile.
    """

    def task(*arguments: Any) -> list[str]:
        from flowfa.sweeps import cluster

        return cluster.run_batch(*arguments)

    return task


@functools.lru_cache(maxsize=4)
def _plan_of(folder: str, written: int) -> tuple[Plan, dict[str, Cell]]:
    """Return a plan, and its cells by digest; read once, unless it is written again."""
    plan = SweepFolder(folder).plan(same_code=True)
    return plan, {cell.digest: cell for cell in plan.cells}


class _Crew:
    """Submits batches in windows; halves one that ended its workers."""

    def __init__(
        self, client: Any, folder: SweepFolder, plan: Plan, checker: str, needs: dict[str, float]
    ) -> None:
        self.client, self.folder, self.plan = client, folder, plan
        self.checker, self.needs = checker, needs
        self.standing = Standing(folder, plan)
        threads = sum(client.nthreads().values())
        self.waiting = deque(batches(plan, folder.left(plan), shares=PARTS_OF_THREAD * threads))

    def leave(self) -> None:
        """Submit everything, for the scheduler to keep when this process has gone."""
        for batch in self.waiting:
            # Nobody will be there to submit what a batch leaves.
            _dask().fire_and_forget(self._submit(batch, math.inf))

    def work(self, progress: Progress | None) -> None:
        """Submit batches as others are done, until all are."""
        running: dict[Any, list[Cell]] = {}
        with StopRequest() as stop:
            while self.waiting or running:
                window = WINDOW * max(1, sum(self.client.nthreads().values()))
                while self.waiting and len(running) < window:
                    batch = self.waiting.popleft()
                    running[self._submit(batch, BATCH_SECONDS)] = batch
                if stop.received is not None:
                    self.client.cancel(list(running))
                    raise Interrupted(self.standing.stopped, stop.received)
                self._look(running)
                if progress is not None:
                    progress.update(self.standing.state)

    def _submit(self, batch: list[Cell], seconds: float) -> Any:
        return self.client.submit(
            _task(),
            str(self.folder.path.resolve()),
            [cell.digest for cell in batch],
            self.checker,
            seconds,
            pure=False,
            resources=self.needs or None,
            retries=0,
        )

    def _look(self, running: dict[Any, list[Cell]]) -> None:
        """Wait for a batch; forget those that are done, and see to those that failed."""
        futures = list(running)
        try:
            done = _dask().wait(futures, timeout=_LOOK, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            if self.client.status not in ("running", "connecting"):
                raise ConnectionError("the connection is closed") from None
            return
        for future in done:
            batch = running.pop(future)
            if future.status == "finished":
                left = set(future.result())
                if left:
                    self.waiting.append([cell for cell in batch if cell.digest in left])
            elif future.status == "error":
                self._see_to(future.exception(), batch)
            else:
                raise ConnectionError(f"a batch was {future.status}")

    def _see_to(self, error: BaseException, batch: list[Cell]) -> None:
        if not isinstance(error, (_dask().KilledWorker, MemoryError)):
            if isinstance(error, InputError):
                raise error
            raise InputError(f"a batch failed on a worker: {type(error).__name__}: {error}")
        left = [cell for cell in batch if not self.folder.has(cell)]
        left = [cell for cell in left if self.folder.failure(cell) is None]
        if len(left) == 1:
            self.folder.fail(
                left[0],
                ERROR,
                "several workers ended while they computed it; out of memory ends workers so",
            )
        elif left:
            middle = len(left) // 2
            self.waiting.extendleft((left[middle:], left[:middle]))


def _dask() -> Any:
    """Return the package `distributed`, which comes with an extra only."""
    try:
        return importlib.import_module("distributed")
    except ImportError:
        raise InputError(
            "Dask is not installed, which `scheduler` needs: pip install 'flowfa[cluster]'"
        ) from None


def _resource(text: str | None) -> dict[str, float]:
    if text is None:
        return {}
    name, _, number = text.partition("=")
    try:
        return {name: float(number)}
    except ValueError:
        raise InputError(f"`resource` is {text!r}: expected NAME=NUMBER, such as GPU=1") from None

"""How many CPU threads to compute with: measured once per machine, then remembered.

More threads are not always faster. OpenMP threads wait for each other at the end of every
operation. As soon as anything else wants one of their CPUs, that wait is the operating system's
time slice, some 8 ms, which makes a flow of many short operations twenty times slower and more.
So one CPU is left to the rest of the machine, and the others must show that they help.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from flowfa.errors import InputError
from flowfa.files.atomic import replacing

VARIABLE = "FLOWFA_THREADS"
_SMALL_OPERATIONS = 12
_REPEATS = 20
_LONGEST = 0.2
"""Seconds after which no more repeats are made."""
_GAIN = 0.8
"""More threads are used only if they bring the cost below this share of that of one thread,
which never waits."""


def choose_threads(requested: int | None = None) -> int:
    """Return the number of threads that torch should use on this machine.

    The first of these that is available: `requested`, the environment variables ``FLOWFA_THREADS``
    and ``OMP_NUM_THREADS``, what an earlier call remembered, a measurement of some tenths of a
    second. What cannot be remembered is measured again the next time.

    Parameters
    ----------
    requested : int, optional
        The user's choice.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    InputError
        If `requested` or ``FLOWFA_THREADS`` is not a positive whole number.
    """
    if requested is not None:
        if requested < 1:
            raise InputError(f"`threads` is {requested}: expected at least 1")
        return requested
    if (from_environment := _from_environment(os.environ)) is not None:
        return from_environment
    most = available_cpus() - 1
    if most <= 1:
        return 1
    key = _key(most)
    path = cache_file()
    remembered = _read(path)
    threads = remembered.get(key)
    if isinstance(threads, int) and not isinstance(threads, bool) and 1 <= threads <= most:
        return threads
    threads = measure_threads(most)
    _write(path, {**remembered, key: threads})
    return threads


def available_cpus() -> int:
    """Return the number of CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cache_file() -> Path:
    """Return where measurements are remembered, whether or not the file is there."""
    folder = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification says that relative paths are ignored.
    base = Path(folder) if os.path.isabs(folder) else Path(os.path.expanduser("~")) / ".cache"
    return base / "flowfa" / "threads.json"


def measure_threads(most: int, clock: Callable[[], float] = time.perf_counter) -> int:
    """Time short operations and a matrix product with one and with many threads.

    Parameters
    ----------
    most : int
        The number of threads to compare with one.
    clock : callable
        Seconds; for tests.

    Returns
    -------
    int
        `most` if the product of both times is clearly smaller with it, so that a gain in one
        kind of work must outweigh the loss in the other; else, or if nothing could be measured, 1.
    """
    import torch

    previous = torch.get_num_threads()
    try:
        cost = {threads: _cost(threads, clock) for threads in (1, most)}
    except RuntimeError:
        # Out of memory, or a build of torch that cannot change its threads.
        return 1
    finally:
        torch.set_num_threads(previous)
    return most if cost[most] < _GAIN * cost[1] else 1


def _cost(threads: int, clock: Callable[[], float]) -> float:
    """Return the product of the mean times of both kinds of work."""
    import torch

    torch.set_num_threads(threads)
    # Large enough that torch splits the elementwise operations: 64 networks of width 100 on 20
    # samples, the size of a typical run.
    small = torch.ones(64, 100, 20, dtype=torch.float64)
    left = torch.ones(400, 800, dtype=torch.float64)
    right = torch.ones(800, 400, dtype=torch.float64)

    def chain() -> None:
        values = small
        for _ in range(_SMALL_OPERATIONS):
            values = values.mul(0.5).add_(1.0)

    def product() -> None:
        torch.matmul(left, right)

    return _mean_time(chain, clock) * _mean_time(product, clock)


def _mean_time(work: Callable[[], None], clock: Callable[[], float]) -> float:
    """Return the mean of several times; the first call, which starts threads, does not count.

    The mean is taken, and not the least time, because threads that wait for each other only now
    and then are slow too.
    """
    work()
    start = end = clock()
    repeats = 0
    while repeats < _REPEATS and end - start < _LONGEST:
        work()
        repeats += 1
        end = clock()
    return (end - start) / repeats


def _from_environment(environment: Mapping[str, str]) -> int | None:
    text = environment.get(VARIABLE)
    if text is not None:
        # int() would also take "1_0" and non-ASCII digits.
        if not (text.isascii() and text.isdigit() and int(text) >= 1):
            raise InputError(f"{VARIABLE} is {text!r}: expected a whole number of at least 1")
        return int(text)
    # The convention of OpenMP programs; forms that are no plain number ("4,2") are left to it.
    common = environment.get("OMP_NUM_THREADS", "")
    if common.isascii() and common.isdigit() and int(common) >= 1:
        return int(common)
    return None


def _key(most: int) -> str:
    # The version comes from the metadata, because a remembered answer needs no import of torch.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"threads={most} torch={version('torch')}"
    except PackageNotFoundError:
        return f"threads={most}"


def _read(path: Path) -> dict[str, object]:
    """Return what is remembered: nothing, if the file is missing or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, content: dict[str, object]) -> None:
    """Write the file, completely or not at all; it is no error if it cannot be written."""
    with contextlib.suppress(OSError, InputError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            partial.write_text(json.dumps(content, indent=1), encoding="utf-8")

"""Computing with a chosen number of threads, and leaving torch as it was.

Every function of the library that computes for long does so: torch's own default, a thread for each
CPU, is many times slower as soon as anything else wants one of them
(`flowfa.machine.threads`).
"""

from __future__ import annotations

import contextlib
import functools
import numbers
import os
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from flowfa.machine.threads import VARIABLE, available_cpus, choose_threads

P = ParamSpec("P")
R = TypeVar("R")

_measured: dict[tuple[object, ...], int] = {}
"""What was chosen in this process, where a file to remember it cannot be written."""
_depth = 0


@contextlib.contextmanager
def chosen_threads(requested: int | None = None) -> Iterator[int]:
    """Let torch compute with the threads that `choose_threads` names, and restore their number.

    A number that a caller has set with ``torch.set_num_threads`` is an upper limit. Within another
    such block the number stays as it is, unless one is requested.

    Parameters
    ----------
    requested : int, optional
        The user's choice.

    Yields
    ------
    int
        The number of threads.

    Raises
    ------
    InputError
        As `choose_threads`.
    """
    import torch

    global _depth
    before = torch.get_num_threads()
    if requested is not None or _depth == 0:
        threads = _chosen(requested, before)
        if threads != before:
            torch.set_num_threads(threads)
    _depth += 1
    try:
        yield torch.get_num_threads()
    finally:
        _depth -= 1
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


def in_chosen_threads(compute: Callable[P, R]) -> Callable[P, R]:
    """Run a function in `chosen_threads`, which its keyword ``threads``, if given, requests."""

    @functools.wraps(compute)
    def within(*args: P.args, **kwargs: P.kwargs) -> R:
        requested = kwargs.get("threads")
        with chosen_threads(_whole(requested)):
            return compute(*args, **kwargs)

    return within


def _whole(requested: object) -> int | None:
    """Return a request; what is no whole number is left to the function, which refuses it."""
    if not isinstance(requested, numbers.Integral) or isinstance(requested, bool):
        return None
    return int(requested) if int(requested) >= 1 else None


def _chosen(requested: int | None, limit: int) -> int:
    asked = requested is not None or any(
        name in os.environ for name in (VARIABLE, "OMP_NUM_THREADS")
    )
    if asked:
        return choose_threads(requested)
    if limit == 1:
        return 1
    key = (available_cpus(), os.environ.get("XDG_CACHE_HOME"))
    if key not in _measured:
        _measured[key] = choose_threads()
    return min(_measured[key], limit)

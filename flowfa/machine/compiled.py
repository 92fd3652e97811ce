"""How the event engine is compiled, and kept."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from numba import njit

from flowfa.machine.code_cache import is_kept, keep_on_disk

Function = TypeVar("Function", bound=Callable)

# Without exceptions for division by zero, which would keep loops from being vectorised.
_OPTIONS: dict[str, Any] = {"error_model": "numpy", "_nrt": False}


def compiled(function: Function) -> Function:
    """Compile a function that allocates nothing.

    It runs without reference counts: each costs an atomic operation, and together they took a third
    of the time.
    """
    return _kept(njit(**_OPTIONS)(function))


def inlined(function: Function) -> Function:
    """Make a function part of each compiled function that calls it.

    numba optimises what a function calls once more with each function above it; for the largest
    ones that took most of the time of compiling.
    """
    return _kept(njit(error_model="numpy", nogil=True, inline="always")(function))


def compiled_loop(function: Function) -> Function:
    """Compile the outermost loop: it allocates, and lets other threads run meanwhile."""
    return _kept(njit(error_model="numpy", nogil=True)(function))


def compiled_sums(function: Function) -> Function:
    """Compile a function that allocates nothing and whose sums may be reassociated."""
    return _kept(njit(fastmath={"reassoc", "contract"}, **_OPTIONS)(function))


def compiling_message(function: Callable, seconds: int = 20) -> str:
    """Return the message while `function` is compiled: it says whether later runs do so again."""
    begin = f"flowfa: compiling the event engine; this takes some {seconds} s"
    if is_kept(function):
        return f"{begin}, and is kept for later runs"
    return f"{begin} in every run: set NUMBA_CACHE_DIR to a folder where it can be kept"


@contextmanager
def announced(message: str, after: float) -> Iterator[None]:
    """Write a message to stderr if the body takes longer than so many seconds."""
    timer = threading.Timer(after, lambda: sys.stderr.write(f"{message}\n"))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _kept(function: Any) -> Any:
    keep_on_disk(function)
    return function

"""How the event engine is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable)

# No exceptions for division by zero, which would keep loops from being vectorised.
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "_nrt": False}


def compiled(function: Function) -> Function:
    """Compile a function that allocates nothing.

    Without reference counts: each costs an atomic operation, and they were a third of the time.
    """
    return cast(Function, njit(**_OPTIONS)(function))


def compiled_loop(function: Function) -> Function:
    """Compile the outermost loop: it allocates, and lets other threads run meanwhile."""
    return cast(Function, njit(cache=True, error_model="numpy", nogil=True)(function))


def compiled_sums(function: Function) -> Function:
    """Compile a function that allocates nothing and whose sums may be reassociated."""
    return cast(Function, njit(fastmath={"reassoc", "contract"}, **_OPTIONS)(function))

"""How the event engine is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable)

# No exceptions for division by zero, which would keep loops from being vectorised.
_OPTIONS = {"cache": True, "error_model": "numpy"}


def compiled(function: Function) -> Function:
    """Compile a function that allocates nothing.

    Without reference counts: each costs an atomic operation, and they were a third of the time.
    """
    return njit(_nrt=False, **_OPTIONS)(function)


def compiled_sums(function: Function) -> Function:
    """Compile a function that allocates nothing and whose sums may be reassociated."""
    return njit(_nrt=False, fastmath={"reassoc", "contract"}, **_OPTIONS)(function)

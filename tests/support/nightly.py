"""Parameters of which a few run at every commit, and the others at night."""

from __future__ import annotations

from collections.abc import Iterable

import pytest


def some_now(every: Iterable[object], now: Iterable[object]) -> list[object]:
    """Return parameters; those that are not among `now` show more of the same, and are slow.

    A tuple is the values of one case.
    """
    chosen = list(now)
    return [value if value in chosen else _slow(value) for value in every]


def _slow(value: object) -> object:
    values = value if isinstance(value, tuple) else (value,)
    return pytest.param(*values, marks=pytest.mark.slow)

"""A process that works on a sweep beside others: ``python -m flowfa.sweeps.worker FOLDER K N``.

It takes every cell whose lock it gets, beginning at the K-th of N parts, and ends when none is left
that it can take. Its parent starts it, and starts another one where it was killed.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from flowfa.errors import InputError, Interrupted
from flowfa.machine.allocator import keep_freed_memory
from flowfa.studies.interruption import termination_raises
from flowfa.studies.progress import ProgressState
from flowfa.sweeps.cell import Checker
from flowfa.sweeps.folder import SweepFolder
from flowfa.sweeps.work import work_through

REFUSED = 64
STOPPED = 143


class _Orphaned:
    """Ends the work of a process whose parent has died; nobody would know of it."""

    def __init__(self) -> None:
        self._parent = os.getppid()

    def update(self, state: ProgressState) -> None:
        if os.getppid() != self._parent:
            raise KeyboardInterrupt

    def close(self) -> None:
        """There is nothing to close."""


def find_checker(name: str) -> Checker | None:
    """Return the function that ``module:function`` names; None for an empty name."""
    if not name:
        return None
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def main(words: Sequence[str]) -> int:
    """Work on a sweep; the words are its folder, which part to begin at, and the checker.

    Returns
    -------
    int
        0 when no cell was left; 64 if it could not go on; 143 if it was stopped.
    """
    folder, part, parts, checker = words
    place = SweepFolder(folder)
    keep_freed_memory()
    try:
        with termination_raises():
            plan = place.plan(same_code=True)
            left = place.left(plan)
            first = len(left) * int(part) // int(parts)
            cells = [*left[first:], *left[:first]]
            work_through(
                place, plan, cells=cells, checker=find_checker(checker), progress=_Orphaned()
            )
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    except (Interrupted, KeyboardInterrupt):
        return STOPPED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

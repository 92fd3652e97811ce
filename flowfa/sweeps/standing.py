"""How far a sweep is, for who watches it while others compute."""

from __future__ import annotations

import time

from flowfa.studies.progress import ProgressState
from flowfa.sweeps.folder import SweepFolder
from flowfa.sweeps.plan import Plan

_SHARE = 0.02
"""Share of its time that a watcher counts cells at most: it sees a large folder less often."""


class Standing:
    """Counts the cells of a sweep, but not more often than is cheap.

    Parameters
    ----------
    folder : SweepFolder
    plan : Plan
    """

    def __init__(self, folder: SweepFolder, plan: Plan) -> None:
        self._folder, self._plan = folder, plan
        self._done, self._next = 0, 0.0

    @property
    def state(self) -> ProgressState:
        """How many cells are done or have failed, as of a moment ago."""
        begin = time.monotonic()
        if begin >= self._next:
            self._done = self._count()
            now = time.monotonic()
            self._next = now + (now - begin) / _SHARE
        cells = len(self._plan.cells)
        return ProgressState(self._done / cells, f"{self._done} of {cells} cells")

    @property
    def stopped(self) -> str:
        """What is told after a signal."""
        return (
            f"stopped after {self._count()} of {len(self._plan.cells)} cells, which are kept: go "
            f"on with flowfa sweep resume {self._folder.path}"
        )

    def _count(self) -> int:
        return len(self._plan.cells) - len(self._folder.left(self._plan))

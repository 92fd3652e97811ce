"""Working through the cells of a sweep, alone or beside others: who holds a cell's lock has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowfa.errors import Interrupted
from flowfa.files.lock import BusyError, sole_writer
from flowfa.studies.progress import Progress, ProgressState
from flowfa.studies.study import Session, Study
from flowfa.sweeps.cell import Checker, compute
from flowfa.sweeps.folder import SweepFolder
from flowfa.sweeps.plan import Cell, Plan

UNIT = "cells"


class _OfCell:
    """Progress of one cell, told as that of the sweep."""

    def __init__(self, session: Session, cell: Cell, done: int, cells: int) -> None:
        self._session, self._cell = session, cell
        self._done, self._cells = done, cells

    def update(self, state: ProgressState) -> None:
        """Show how the sweep stands; raises after a signal."""
        share = (self._done + state.share) / self._cells

        def of_sweep() -> ProgressState:
            doing = f"cell {self._done + 1} of {self._cells} ({self._cell.title})"
            return replace(state, share=share, doing=doing)

        self._session.pause(of_sweep)

    def close(self) -> None:
        """Leave the display to the sweep."""


def work_through(
    folder: SweepFolder,
    plan: Plan,
    *,
    cells: Sequence[Cell] | None = None,
    checker: Checker | None = None,
    progress: Progress | None = None,
) -> None:
    """Compute the cells that are neither done, failed, nor being computed by somebody else.

    Parameters
    ----------
    folder : SweepFolder
    plan : Plan
    cells : sequence of Cell, optional
        Which of the plan; all by default.
    checker : callable, optional
        Adds verdicts to the file of a cell.
    progress : Progress, optional

    Raises
    ------
    InputError
        If the disk is full; the cells so far are whole.
    Interrupted
        After SIGINT or SIGTERM; as above.
    """
    cells = plan.cells if cells is None else cells
    study = Study({UNIT: 1.0}, result=folder.path, kept=folder.cells, progress=progress)
    finished = 0
    try:
        with study:
            session = study.session(UNIT)
            session.begin()
            for number, cell in enumerate(cells):
                if not (folder.has(cell) or folder.failure(cell)):
                    shown = _OfCell(session, cell, number, len(cells))
                    _try(folder, plan, cell, checker, shown)
                finished = number + 1
                if study.stopped and finished < len(cells):
                    raise study.interrupted("")
    except Interrupted as stop:
        raise Interrupted(
            f"stopped after {finished} of {len(cells)} cells, which are kept: go on with flowfa "
            f"sweep resume {folder.path}",
            stop.signal_number,
        ) from None


def _try(
    folder: SweepFolder, plan: Plan, cell: Cell, checker: Checker | None, progress: Progress
) -> None:
    try:
        with sole_writer(folder.file(cell)):
            # It may have been done between the look at it and the lock.
            if not (folder.has(cell) or folder.failure(cell)):
                compute(folder, plan, cell, checker, progress)
    except BusyError:
        return

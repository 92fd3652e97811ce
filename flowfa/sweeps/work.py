"""Working through the cells of a sweep, alone or beside others: who holds a cell's lock has it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from flowfa.errors import InputError, Interrupted
from flowfa.files.atomic import reason
from flowfa.files.lock import BusyError, sole_writer
from flowfa.studies.progress import Progress, ProgressState
from flowfa.studies.study import Session, Study
from flowfa.sweeps.cell import Checker, compute, full, is_full
from flowfa.sweeps.folder import SweepFolder
from flowfa.sweeps.plan import Cell, Plan
from flowfa.sweeps.standing import Standing

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

    Who only looks whether a cell is being computed holds its lock for a moment: so cells that were
    held are tried once more at the end.

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
        If the disk is full, or a file that settings name has changed; the cells so far are whole.
    Interrupted
        After SIGINT or SIGTERM; as above.
    """
    cells = plan.cells if cells is None else cells
    study = Study({UNIT: 1.0}, result=folder.path, kept=folder.cells, progress=progress)
    try:
        with study:
            session = study.session(UNIT)
            session.begin()
            held: list[Cell] = []
            for number, cell in enumerate(itertools.chain(cells, held)):
                done = min(number, len(cells) - 1)
                shown = _OfCell(session, cell, done, len(cells))
                if not _tried(folder, plan, cell, checker, shown) and number < len(cells):
                    held.append(cell)
                if study.stopped and done + 1 < len(cells):
                    raise study.interrupted("")
    except Interrupted as stop:
        raise Interrupted(
            Standing(folder, plan).stopped,
            stop.signal_number,
        ) from None


def _tried(
    folder: SweepFolder, plan: Plan, cell: Cell, checker: Checker | None, progress: Progress
) -> bool:
    """Compute a cell unless it is done or has failed; return whether nobody else held it."""
    if folder.has(cell) or folder.failure(cell):
        return True
    try:
        with sole_writer(folder.file(cell)):
            # It may have been done between the look at it and the lock.
            if not (folder.has(cell) or folder.failure(cell)):
                plan.refuse_another(cell)
                compute(folder, plan, cell, checker, progress)
    except BusyError:
        return False
    except OSError as error:
        # The file of the lock could not be made.
        if is_full(error):
            raise full(folder) from error
        raise InputError(
            f"{folder.cells} cannot be written to ({reason(error)}): give permission, then go on "
            f"with flowfa sweep resume {folder.path}"
        ) from error
    return True

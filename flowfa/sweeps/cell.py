"""One cell of a sweep: computed, checked, and written whole.

A file of a cell holds only what is the same whoever computes it and when, so that the cells of two
sweeps are equal byte for byte: no time of day, no seconds, and no state of a working tree. Which
code it was is in the digest that is its name.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import torch

from flowfa.errors import InputError, Interrupted
from flowfa.records.template import save_alike
from flowfa.simulation.run import Run
from flowfa.studies.progress import Progress
from flowfa.sweeps.commands import Recorded, record
from flowfa.sweeps.folder import ERROR, MEMORY, SOLVER, SweepFolder
from flowfa.sweeps.plan import Cell, Plan

Checker = Callable[[Run, Path], None]
"""Adds the verdicts on a run to the file that it is in."""
_OF_THE_MOMENT = ("created", "solve_seconds", "git_revision")
"""What changes although no number does: the revision too, when a page is edited meanwhile."""
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


def compute(
    folder: SweepFolder,
    plan: Plan,
    cell: Cell,
    checker: Checker | None = None,
    progress: Progress | None = None,
) -> None:
    """Compute a cell and write its file; if it fails, note why.

    Parameters
    ----------
    folder : SweepFolder
    plan : Plan
    cell : Cell
        Whose lock the caller holds.
    checker : callable, optional
    progress : Progress, optional
        Told how the cell stands; may raise to stop it.

    Raises
    ------
    InputError
        If the disk is full.
    Interrupted
        After a signal.
    """
    try:
        work = folder.cells / f"{cell.digest}.work"
        found = record(plan.settings_of(cell), work, plan.checkpoint_every, progress)
        _write(found, folder.file(cell), checker)
    except Interrupted:
        raise
    except (MemoryError, torch.OutOfMemoryError) as error:
        folder.fail(cell, MEMORY, f"out of memory ({_one_line(error)})")
    except Exception as error:
        if is_full(error):
            raise full(folder) from error
        kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        folder.fail(cell, ERROR, f"{kind}{_one_line(error)}")
    else:
        if found.failure is not None:
            folder.fail(cell, SOLVER, found.failure)


def _write(found: Recorded, path: Path, checker: Checker | None) -> None:
    attributes = {str(n): v for n, v in found.tree.attrs.items() if n not in _OF_THE_MOMENT}
    if checker is None or found.run is None:
        save_alike(found.tree, path, attributes)
        return
    # The verdicts are added before the file gets its name, so that it has them or is not there.
    unchecked = path.with_suffix(".unchecked.nc")
    try:
        save_alike(found.tree, unchecked, attributes)
        checker(found.run, unchecked)
        os.replace(unchecked, path)
    finally:
        unchecked.unlink(missing_ok=True)


def full(folder: SweepFolder) -> InputError:
    """Return the error that says that a disk is full, and how to go on."""
    return InputError(
        f"the disk of {folder.path} is full: make room, then go on with flowfa sweep resume "
        f"{folder.path}"
    )


def is_full(error: BaseException | None) -> bool:
    """Return whether a full disk is at the bottom of an error."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            return True
        error = error.__cause__
    return False


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__

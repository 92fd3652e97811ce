"""The place of a result and of its checkpoint, checked before the work begins."""

from __future__ import annotations

import shutil
from pathlib import Path

from flowfa.errors import InputError
from flowfa.files.atomic import check_place
from flowfa.machine.memory import check_fits, readable
from flowfa.records.checkpoint import checkpoint_folder
from flowfa.records.layout import RecordLayout
from flowfa.records.schema import describe, result_bytes

_FORMAT_BYTES = 2**20
LARGE = 200 * 2**20
"""Bytes of a result above which its size is told before it is made."""


def check_output(path: str | Path, overwrite: bool, layout: RecordLayout | None = None) -> None:
    """Check before a run that its result can be written, and that there is room for it.

    Parameters
    ----------
    path : str or Path
        The result file.
    overwrite : bool
        Whether an existing file may be replaced.
    layout : RecordLayout, optional
        What will be written; without it, room is not checked.

    Raises
    ------
    InputError
        As `check_place`; if something that is no folder has the name of the checkpoint's; or if
        there is too little room, with what is needed and what is free.
    """
    check_place(path, overwrite)
    folder = checkpoint_folder(path)
    if folder.exists() and not folder.is_dir():
        raise InputError(
            f"{folder} is in the place of the folder for the checkpoint: move it away, or choose "
            "another `path`"
        )
    if layout is None:
        return
    # The chunks of the record are deleted only when the result is complete.
    needed = 2 * result_bytes(layout) + _FORMAT_BYTES
    free = shutil.disk_usage(folder.parent).free
    if needed > free:
        raise InputError(
            f"{path} needs about {readable(needed)} while it is made and {folder.parent} has "
            f"{readable(free)}: make room, choose another `path`, or save less (`save`)"
        )


def size_notice(path: str | Path, layout: RecordLayout) -> str:
    """Return what is worth knowing of a large result before it is made; empty for others.

    Parameters
    ----------
    path : str or Path
        The result file.
    layout : RecordLayout
    """
    total = result_bytes(layout)
    if total <= LARGE:
        return ""
    groups: dict[str, int] = {}
    for variable in describe(layout):
        groups[variable.group] = groups.get(variable.group, 0) + variable.nbytes
    largest = max(groups, key=lambda name: groups[name])
    mend = (
        f"fewer `snapshots` ({len(layout.snapshot_columns)} now)"
        if largest == "weights"
        else f"fewer recorded times (`save`, {layout.saves} now)"
    )
    return (
        f"{path} will have about {readable(total)}, of which /{largest} takes "
        f"{readable(groups[largest])}: {mend}, or fewer `trajectories`, make it smaller"
    )


def check_memory(layout: RecordLayout) -> None:
    """Check before a run without a file that its record fits into memory.

    Raises
    ------
    InputError
        If it does not, with what it needs, what there is, and the remedy.
    """
    # Memory holds the rows as they come, and the tree that they are put together in.
    check_fits(
        2 * result_bytes(layout),
        f"the record of {layout.saves} save times and {len(layout.snapshot_columns)} snapshots "
        "needs {}",
        "save less (`save`, `snapshots`), or give a `path` to stream the record to disk",
    )

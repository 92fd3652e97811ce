"""Whether work begins or goes on: what ``resume`` and ``overwrite`` mean for every study."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from flowfa.errors import InputError
from flowfa.files.atomic import check_place, make_folder
from flowfa.files.lock import sole_writer
from flowfa.studies.parts import any_checkpoint, remove_checkpoints


def goes_on(
    result: Path,
    kept: Path,
    *,
    begun: bool,
    resume: bool,
    overwrite: bool,
    may_begin: bool = False,
) -> bool:
    """Return whether to go on with what is kept; refuse to drop work unless `overwrite` allows it.

    Parameters
    ----------
    result : Path
        What the work ends with.
    kept : Path
        Where an unfinished study keeps what it has done.
    begun : bool
        Whether there is something in `kept` to go on with.
    resume : bool
        Go on with it.
    overwrite : bool
        Drop it, and replace a result.
    may_begin : bool
        With `resume`, begin if nothing was begun, so that one command can be repeated until the
        work is done.

    Raises
    ------
    InputError
        If there is nothing to resume, or something that may not be dropped.
    """
    if resume and begun:
        return True
    if resume:
        if may_begin and (overwrite or not result.exists()):
            return False
        state, remedy = "was never begun", ""
        if result.exists():
            state, remedy = "is complete", ", and give `overwrite=True` to make it anew"
        raise InputError(
            f"there is nothing to resume: {result} {state} (no {kept}); leave out `resume`{remedy}"
        )
    if begun and not overwrite:
        raise InputError(
            f"there is an unfinished run of {result}: continue it with `resume=True`, or drop "
            "it with `overwrite=True`"
        )
    return False


@contextlib.contextmanager
def open_output(result: Path, kept: Path, resume: bool, overwrite: bool) -> Iterator[bool]:
    """Make the folders of a study of several units, and hold the lock of its result.

    Parameters
    ----------
    result : Path
        In a folder that is made unless it is there.
    kept : Path
        The folder that holds a folder for each unit's checkpoint.
    resume : bool
        Keep the checkpoints. It is no error if there are none, so that one command can be repeated
        until the work is done.
    overwrite : bool
        Replace a result, and drop the checkpoints of an unfinished study.

    Yields
    ------
    bool
        Whether the study goes on.

    Raises
    ------
    InputError
        As `goes_on`; if the result cannot be written; or if somebody else is writing it.
    """
    make_folder(result.parent)
    check_place(result, overwrite or resume)
    with sole_writer(result, "out"):
        begun = any_checkpoint(kept)
        go_on = goes_on(
            result, kept, begun=begun, resume=resume, overwrite=overwrite, may_begin=True
        )
        if not go_on:
            remove_checkpoints(kept)
        make_folder(kept)
        yield go_on

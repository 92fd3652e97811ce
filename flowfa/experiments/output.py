"""The place of an experiment's result: what may be replaced, and what may be gone on with."""

from __future__ import annotations

from pathlib import Path

from flowfa.errors import InputError
from flowfa.files.atomic import check_place, make_folder
from flowfa.records.checkpoint import Checkpoint


def open_output(path: Path, checkpoints: Path, resume: bool, overwrite: bool) -> None:
    """Make the folders of a result and of its checkpoints, unless that would replace something.

    Parameters
    ----------
    path : Path
        The result.
    checkpoints : Path
        The folder that holds a folder for each part's checkpoint.
    resume : bool
        Keep the checkpoints; none is no error, so that one command can be given until it is done.
    overwrite : bool
        Replace a result, and drop the checkpoints of an unfinished run.

    Raises
    ------
    InputError
        If there is output that may not be replaced, or it cannot be written.
    """
    make_folder(path.parent)
    unfinished = checkpoints.is_dir() and any(checkpoints.iterdir())
    if resume and not unfinished and not overwrite and path.exists():
        raise InputError(
            f"there is nothing to resume: {path} is finished; leave out --resume, and give "
            "--overwrite to make it anew"
        )
    if not resume:
        check_place(path, overwrite)
        if unfinished and not overwrite:
            raise InputError(
                f"{checkpoints} has a checkpoint of an unfinished run: go on with --resume, or "
                "start again with --overwrite"
            )
        remove_checkpoints(checkpoints)
    make_folder(checkpoints)


def remove_checkpoints(folder: Path) -> None:
    """Delete the checkpoints of all parts; other files in the folder are kept, and it too."""
    if not folder.is_dir():
        return
    for each in folder.iterdir():
        Checkpoint(each).remove()
    if not any(folder.iterdir()):
        folder.rmdir()

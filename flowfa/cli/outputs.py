"""Places that a command is about to write to, checked before the work begins."""

from __future__ import annotations

from pathlib import Path

from flowfa.errors import InputError


def check_place(path: str | Path, flag: str, replace: bool) -> None:
    """Check that a file can be written.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    flag : str
        The flag that chooses another place, such as ``"--plot"``.
    replace : bool
        Whether an existing file may be replaced.

    Raises
    ------
    InputError
        If there is something there, or no folder that can be written to.
    """
    from flowfa.records.output import check_place as check

    try:
        check(path, replace)
    except InputError as error:
        # The records know of one flag only.
        raise InputError(str(error).replace("--out", flag)) from None

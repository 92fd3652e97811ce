"""Names of files that a caller gives, held against what a name can be."""

from __future__ import annotations

import os
from pathlib import Path

from flowfa.errors import InputError


def as_path(value: object, called: str = "path") -> Path:
    """Return the path that a value names.

    Parameters
    ----------
    value : object
        Of a caller: str, Path, or anything else by mistake.
    called : str
        The name of the argument, for the message.

    Raises
    ------
    InputError
        If it names none, such as None.
    """
    if isinstance(value, str | os.PathLike):
        return Path(value)
    shown = repr(value) if value is None or isinstance(value, int | float) else type(value).__name__
    raise InputError(f"`{called}` is {shown}: expected the name of a file, such as 'run.nc'")

"""The files that settings of a sweep name: a cell depends on what is in them, not on their names.

So a cell that is computed later is computed only while they are what they were.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from flowfa.datasets import DATASETS
from flowfa.errors import InputError
from flowfa.problems.starts import STARTS
from flowfa.registry import Registry
from flowfa.simulation.from_settings import is_file_name

MAY_BE_FILES: dict[str, Registry[Any]] = {"dataset": DATASETS, "init": STARTS}
"""Settings that name something registered, or a file."""


def names_file(name: str, value: Any) -> bool:
    """Return whether a setting names a file, as a run takes it: what is registered comes first."""
    if name not in MAY_BE_FILES or value is None:
        return False
    return value not in MAY_BE_FILES[name].names() and is_file_name(value)


def absolute(name: str, value: Any) -> Any:
    """Return the name of a file from the root, since a worker may run in another folder."""
    if value is None:
        return None
    if name == "import_":
        return tuple(str(Path(file).resolve()) for file in value)
    if names_file(name, value):
        return str(Path(value).resolve())
    return value


def files_of(settings: Any) -> list[Path]:
    """Return the files that the settings of a cell name, which are all named from the root."""
    named = [str(getattr(settings, name)) for name in MAY_BE_FILES]
    # Of a worker own code is not imported yet, so that it cannot ask what is registered.
    data = [Path(value) for value in named if Path(value).is_absolute()]
    return [*map(Path, settings.import_ or ()), *data]


def digest_of(file: Path) -> str | None:
    """Return the SHA-256 of a file as it is now; None if it cannot be read."""
    try:
        state = file.stat()
        return _digest(file, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    except OSError:
        return None


@functools.lru_cache(maxsize=1024)
def _digest(file: Path, *state: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def refuse_changed(files: Iterable[Path], digests: Mapping[str, str]) -> None:
    """Refuse to go on with files that are not what they were when the sweep began.

    Raises
    ------
    InputError
        With the first of them.
    """
    for file in files:
        found = digest_of(file)
        if found is None or found != digests.get(str(file)):
            how = "is gone" if found is None else "has changed"
            raise InputError(
                f"{file} {how} since the sweep began: put the old file back, or begin a new sweep "
                "with the sweep file and another `out`"
            )

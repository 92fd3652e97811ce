"""Files that are either there completely or not at all, also after a kill or a power cut."""

from __future__ import annotations

import contextlib
import errno
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from flowfa.errors import InputError

SUFFIX = ".unfinished"
"""Ending of a file that is still being written; no shorter than other endings given to names."""

# Bare names would clash with the parameters of numpy.savez, such as "file".
_PREFIX = "array/"


class DamagedError(Exception):
    """An archive that cannot be read; the caller knows what it was and how to mend it."""


def partial_path(path: Path) -> Path:
    """Return where `path` is written before it takes its place.

    The name is always the same, so what a killed process left is replaced by the next one.
    """
    return path.with_name(f".{path.name}{SUFFIX}")


@contextlib.contextmanager
def replacing(path: Path, room: int = 0) -> Iterator[Path]:
    """Give a name to write to; on success it takes the place of `path`, else it is removed.

    Parameters
    ----------
    path : Path
        The file. A symbolic link stays one: what it points to is replaced.
    room : int
        Bytes that must be free. HDF5 does not survive a disk that fills up while it writes, so
        that is found out before.

    Yields
    ------
    Path
        A name in the same folder, so that taking the place is one operation of the file system.

    Raises
    ------
    InputError
        If the file system refuses: no room, no permission, no such folder. The old file, if
        there was one, is as it was.
    """
    path = Path(os.path.realpath(path))
    partial = partial_path(path)
    try:
        if room:
            _try_room(partial, room)
        yield partial
        _sync(partial)
        os.replace(partial, path)
        # The new name lives in the folder, which has a cache of its own.
        _sync(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _refused(path, error) from error
        raise


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to an npz file, atomically and without pickles.

    Raises
    ------
    InputError
        If the file system refuses.
    TypeError
        If an array holds Python objects.
    """
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"{name} holds Python objects, which would have to be pickled")
    with replacing(path) as partial, partial.open("wb") as stream:
        named: dict[str, Any] = {f"{_PREFIX}{name}": array for name, array in arrays.items()}
        np.savez(stream, **named)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read an npz file that `write_arrays` wrote.

    Raises
    ------
    DamagedError
        If the file is missing, truncated, or anything else.
    """
    try:
        # The stream is ours: NumPy forgets to close its own when the archive is damaged.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name.removeprefix(_PREFIX): archive[name] for name in archive.files}
    # Each layer that reads an archive (zip, header, array) has errors of its own.
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        EOFError,
        RuntimeError,
        zipfile.BadZipFile,
    ) as error:
        raise DamagedError(reason(error)) from error


def make_folder(folder: Path) -> None:
    """Make a folder unless it is there; its parent must be.

    Raises
    ------
    InputError
        If the file system refuses.
    """
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise _refused(folder, error) from error


def reason(error: Exception) -> str:
    """Return what the file system or a reader said, in one line."""
    # HDF5 wraps the number of the system's error in a page of its own.
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return " ".join((str(error) or type(error).__name__).split())


def _refused(path: Path, error: OSError) -> InputError:
    return InputError(
        f"{path} could not be written ({reason(error)}): make room or give permission, or choose "
        "another place"
    )


def _try_room(path: Path, room: int) -> None:
    """Take room for a moment: quotas and limits show only so."""
    with path.open("wb") as stream:
        try:
            os.posix_fallocate(stream.fileno(), 0, room)
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
    path.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Files that are either there completely or not at all, also after a kill or a power cut."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from flowfa.errors import InputError
from flowfa.files.lock import sole_writer

SUFFIX = ".unfinished"
"""Ending of a file that is still being written. No other ending that flowfa adds to names is
longer, so that a name that can take this one can take all."""


def partial_path(path: Path) -> Path:
    """Return where `path` is written before it takes its place.

    The name is always the same, so what a killed process left is replaced by the next one. Only who
    holds the lock of `path` writes to it.
    """
    return path.with_name(f".{path.name}{SUFFIX}")


@contextlib.contextmanager
def replacing(path: Path, room: int = 0, sync_folder: bool = True) -> Iterator[Path]:
    """Give a name to write to; on success it takes the place of `path`, else it is removed.

    Parameters
    ----------
    path : Path
        The file. A symbolic link stays one: what it points to is replaced.
    room : int
        Bytes that must be free. HDF5 does not survive a disk that fills up while it writes, so
        the room is checked before.
    sync_folder : bool
        Whether the file has its name for sure on return. If not, a power cut may leave things as
        they were before; never half of a file.

    Yields
    ------
    Path
        A name in the same folder, so that taking the place is one operation of the file system.

    Raises
    ------
    InputError
        If the file system refuses: no room, no permission, no such folder; or if somebody else
        is writing it. The old file, if there was one, is as it was.
    """
    path = Path(os.path.realpath(path))
    partial = partial_path(path)
    try:
        with sole_writer(path), _removed_on_failure(partial):
            if room:
                _try_room(partial, room)
            yield partial
            _sync(partial)
            os.replace(partial, path)
            # The new name is an entry of the folder, which has to be synced too.
            if sync_folder:
                _sync(path.parent)
    except OSError as error:
        raise _refused(path, error) from error


@contextlib.contextmanager
def _removed_on_failure(partial: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def check_place(path: str | Path, overwrite: bool, setting: str = "path") -> None:
    """Check that a file can be written; nothing is left there.

    Parameters
    ----------
    path : str or Path
        The file.
    overwrite : bool
        Whether an existing file may be replaced.
    setting : str
        The setting that chooses another place, for messages.

    Raises
    ------
    InputError
        If there is something already, the folder is missing, or it cannot be written to.
    """
    path = Path(path)
    # With names that are too long and loops of links even these checks fail. Permissions, read-only
    # disks and quotas are found only by an attempt to write.
    try:
        _check_kind(path, overwrite, setting)
        # As long as the name that is written to, but another one: that may be in use just now.
        place = Path(os.path.realpath(path))
        probe = place.with_name(f".{place.name}.{os.getpid():0{len(SUFFIX) - 1}d}")
        probe.open("ab").close()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({reason(error)}): choose another `{setting}`"
        ) from error


def _check_kind(path: Path, overwrite: bool, setting: str) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a directory: give the name of a file in it")
    if path.exists() and not overwrite:
        raise InputError(
            f"{path} exists: replace it with `overwrite=True`, or choose another `{setting}`"
        )
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is no regular file: choose another `{setting}`")
    if not path.parent.is_dir():
        raise InputError(
            f"there is no folder {path.parent}: create it, or choose another `{setting}`"
        )


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
    # HDF5 wraps the system's error in a page of its own text.
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return " ".join((str(error) or type(error).__name__).split())


def _refused(path: Path, error: OSError) -> InputError:
    return InputError(
        f"{path} could not be written ({reason(error)}): make room or give permission, or choose "
        "another place"
    )


def _try_room(path: Path, room: int) -> None:
    """Take the room for a moment, because quotas and limits show in no other way."""
    if not hasattr(os, "posix_fallocate"):
        return
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

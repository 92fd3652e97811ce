"""One writer at a time: an advisory lock beside what a process writes over some time.

The lock of ``run.nc`` is held on the file ``.run.nc.lock`` in the same folder. The kernel releases
it when its process ends, however it ends, so that a lock is never stale; a file that a killed
process left behind is no lock. On NFS the kernel hands the lock to the server, which works between
machines unless the folder is mounted with ``local_lock`` or ``nolock``. Where there are no locks at
all, a warning says so and the work goes on.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import os
import platform
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

from flowfa.errors import InputError


class BusyError(InputError):
    """Somebody else is writing there."""


_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}

_depth: dict[tuple[Path, int], int] = {}
"""How often each thread of this process is within `sole_writer` of a path."""


def lock_path(path: str | Path) -> Path:
    """Return the file on which the lock of `path` is held."""
    path = Path(os.path.realpath(path))
    return path.with_name(f".{path.name}.lock")


@contextlib.contextmanager
def sole_writer(path: str | Path, setting: str | None = "path") -> Iterator[None]:
    """Hold the lock of a file or folder; a thread that holds it already may enter again.

    Parameters
    ----------
    path : str or Path
        What is written. It need not be there, but the folder that it is in must.
    setting : str or None
        The setting that chooses another place, for messages; None if there is none.

    Raises
    ------
    BusyError
        If somebody else is writing: which process, and since when.
    OSError
        If the file of the lock cannot be made.
    """
    file = lock_path(path)
    key = (file, threading.get_ident())
    if key in _depth:
        _depth[key] += 1
        try:
            yield
        finally:
            _depth[key] -= 1
        return
    with _acquired(file, Path(path), setting):
        _depth[key] = 1
        try:
            yield
        finally:
            del _depth[key]


@contextlib.contextmanager
def _acquired(file: Path, path: Path, setting: str | None) -> Iterator[None]:
    # Imported only now, because most commands that are asked for help write nothing.
    from filelock import FileLock, Timeout

    lock = FileLock(file, blocking=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        _check_that_it_can_be_made(file)
        other = "" if setting is None else f", or choose another `{setting}`"
        raise BusyError(
            f"{path} is being written by {_holder(file)}: wait until it ends{other}"
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        with contextlib.suppress(OSError):
            file.unlink()
        warnings.warn(
            f"the file system of {path} has no locks ({os.strerror(error.errno)}): see to it that "
            "no other process writes there",
            stacklevel=4,
        )
        yield
        return
    try:
        _sign(file)
        yield
    finally:
        # Removed while it is still held. Who has opened it in the meantime gets a lock on a file
        # without a name, which filelock notices, and tries again.
        with contextlib.suppress(OSError):
            file.unlink()
        lock.release()


def _check_that_it_can_be_made(file: Path) -> None:
    """Raise what the file system says where no file can be made, which filelock takes for held."""
    if not file.exists():
        probe = file.with_name(f"{file.name}.{os.getpid()}")
        probe.open("xb").close()
        probe.unlink()


def _sign(file: Path) -> None:
    """Write into the file of a lock who holds it."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    holder = {"process": os.getpid(), "machine": platform.node(), "since": now}
    # On a full disk the lock counts all the same, but does not tell who holds it.
    with contextlib.suppress(OSError):
        file.write_text(json.dumps(holder), encoding="utf-8")


def holder_of(file: Path) -> int | None:
    """Return the process that a lock file names; None where it names none of this machine."""
    try:
        holder = json.loads(file.read_text(encoding="utf-8"))
        return int(holder["process"]) if holder["machine"] == platform.node() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _holder(file: Path) -> str:
    """Return in words who holds a lock."""
    try:
        holder = json.loads(file.read_text(encoding="utf-8"))
        machine = "" if holder["machine"] == platform.node() else f" on {holder['machine']}"
        return f"process {int(holder['process'])}{machine}, which began {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        # It has just begun, or just ended.
        return "another process"

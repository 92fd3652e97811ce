"""What an archive of arrays says of its size, held against itself before anything is read.

A header of a hundred bytes can ask for terabytes, and a small archive can unfold to more than a
machine has. Neither may be believed: memory is taken for what is there only.
"""

from __future__ import annotations

import math
import os
import zipfile
from pathlib import Path
from typing import IO, Any

from numpy.lib import format as npy

_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def check_archive(path: Path) -> None:
    """Refuse an ``.npz`` file that asks for more than it holds or the machine has, or for less.

    What no header asks for is not read, so that no check sum would be compared: an archive has one
    for each array, and who reads all of an array compares it.

    Raises
    ------
    ValueError
        If it does.
    OSError, zipfile.BadZipFile, KeyError
        If it cannot be read.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        total = sum(entry.file_size for entry in entries)
        if total > physical_memory():
            raise ValueError(
                f"it unfolds to {total / 1e9:.3g} GB, more than the memory of this machine"
            )
        for entry in entries:
            with archive.open(entry) as stream:
                asked = _asked(stream)
            if asked is not None and asked != entry.file_size:
                raise ValueError(
                    f"{entry.filename} says that it has {asked} bytes, and has {entry.file_size}"
                )


def physical_memory() -> int:
    """Return the bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _asked(stream: IO[bytes]) -> int | None:
    """Return the bytes of an array as its header says, with those of the header.

    None where it is no such header, or of Python objects, of which it does not say the size.
    """
    try:
        read: Any = _READERS.get(npy.read_magic(stream))
    except ValueError:
        return None
    if read is None:
        return None
    shape, _, dtype = read(stream)
    if dtype.hasobject:
        return None
    # Python's numbers do not overflow, as those of NumPy would.
    return stream.tell() + math.prod(int(size) for size in shape) * dtype.itemsize

"""Arrays in npz files that only flowfa reads: checkpoints and chunks of the record."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from flowfa.files.atomic import reason, replacing
from flowfa.files.sizes import check_archive

# Without a prefix, names would clash with the parameters of numpy.savez, such as "file".
_PREFIX = "array/"
# What an archive holds is read from its end, and with a wrong number there some of it is passed
# over. So the names are among the arrays, each of which has a check sum.
_NAMES = "names"


class DamagedError(Exception):
    """An archive that cannot be read; the caller knows what it was and how to mend it."""


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
        prefixed: dict[str, Any] = {f"{_PREFIX}{name}": array for name, array in arrays.items()}
        names = np.frombuffer(json.dumps(sorted(arrays)).encode(), dtype=np.uint8)
        np.savez(stream, **{_NAMES: names}, **prefixed)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read an npz file that `write_arrays` wrote.

    Raises
    ------
    DamagedError
        If the file is missing, truncated, or not such a file.
    """
    try:
        check_archive(path)
        # The stream is opened here, because NumPy leaves its own open when the archive is damaged.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            names = json.loads(archive[_NAMES].tobytes())
            prefixed = [name for name in archive.files if name != _NAMES]
            if sorted(name.removeprefix(_PREFIX) for name in prefixed) != names:
                raise ValueError("some of its arrays are missing")
            return {name.removeprefix(_PREFIX): archive[name] for name in prefixed}
    # Each layer that reads an archive (zip, header, array) raises different errors.
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        EOFError,
        RuntimeError,
        SyntaxError,
        NotImplementedError,
        MemoryError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise DamagedError(reason(error)) from error

"""Reading ``.npz`` files from users: nothing is ever unpickled, and errors say how to mend."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from flowfa.errors import InputError
from flowfa.files.atomic import check_place, replacing
from flowfa.files.sizes import check_archive

_OF_ARCHIVES = (zipfile.BadZipFile, zlib.error, SyntaxError, NotImplementedError, MemoryError)
"""What the layers below raise for damage: the archive, its compression, the header of an array."""


def read_npz(path: str | Path, contents: str) -> dict[str, np.ndarray]:
    """Read all arrays of an ``.npz`` file.

    Parameters
    ----------
    path : str or Path
    contents : str
        What the file should hold, for messages: ``"X and y"``.

    Raises
    ------
    InputError
        If there is no such file, it is a directory, of another format, truncated, not readable,
        or holds pickled objects.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a directory: expected an .npz file with {contents}")
    if not path.exists():
        raise InputError(f"there is no file {path}: expected an .npz file with {contents}")
    try:
        if not zipfile.is_zipfile(path):
            raise InputError(
                f"{path} is not an .npz file (a zip archive of arrays), or it is truncated: write "
                f"{contents} with numpy.savez"
            )
        check_archive(path)
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except PermissionError:
        raise InputError(f"{path} may not be read: change its permissions") from None
    except ValueError as error:
        if "pickle" in str(error).lower():
            raise InputError(
                f"{path} holds pickled objects, which are never loaded: save plain numeric arrays "
                "with numpy.savez"
            ) from None
        raise InputError(f"{path} cannot be read ({error}): write it with numpy.savez") from None
    except (OSError, EOFError, RuntimeError, TypeError, KeyError, *_OF_ARCHIVES) as error:
        raise InputError(
            f"{path} is damaged ({error}): write {contents} again with numpy.savez"
        ) from None


def write_npz(path: Path, arrays: dict[str, np.ndarray], overwrite: bool) -> None:
    """Write arrays to an ``.npz`` file, atomically.

    Raises
    ------
    InputError
        If there is something at `path` and `overwrite` is False, the name does not end in
        ``.npz``, or the file system refuses.
    """
    if path.suffix != ".npz":
        raise InputError(f"{path} is no name for an .npz file: let it end in .npz")
    check_place(path, overwrite)
    with replacing(path) as partial, partial.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]  # numpy's stub reads names as flags

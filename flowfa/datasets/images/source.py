"""Where the files of an image set are, and the errors for files that are missing."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flowfa.datasets.images.image_set import ImageSet
from flowfa.errors import InputError
from flowfa.registry import unknown_name

VARIABLE = "FLOWFA_DATA"
SPLITS = ("train", "test")


@dataclass(frozen=True)
class Source:
    """How one data set is found and decoded.

    Attributes
    ----------
    name : str
    expected : str
        The files it consists of, for messages.
    files : callable
        ``files(folder, split)`` returns the files (or the folder of them) below the data folder
        that the split is in, or raises `InputError`.
    decode : callable
        ``decode(files, split)`` reads them.
    format : int
        Increased when decoding changes, so that older caches are not used.
    """

    name: str
    expected: str
    files: Callable[[Path, str], list[Path]]
    decode: Callable[[list[Path], str], ImageSet]
    format: int = 1


def data_folder(data_dir: str | Path | None, source: Source) -> Path:
    """Return the folder of data sets: `data_dir`, else that in FLOWFA_DATA.

    Raises
    ------
    InputError
        If neither is given, or it is no folder.
    """
    configured = data_dir if data_dir is not None else os.environ.get(VARIABLE)
    if not configured:
        raise InputError(
            f"it is not known where {source.name} is: set {VARIABLE} (or `data_dir`) to a folder "
            f"that has {source.expected}"
        )
    folder = Path(configured).expanduser()
    if not folder.is_dir():
        origin = VARIABLE if data_dir is None else "the data folder"
        raise InputError(
            f"{origin} is {str(configured)!r}, which is no folder: expected one that has "
            f"{source.expected}"
        )
    return folder


def check_split(split: str) -> None:
    """Refuse a split that is neither train nor test."""
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)


def missing(name: str, files: str, folder: Path, expected: str) -> InputError:
    """Return the error for files of the set `name` that are not there."""
    present = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
    return InputError(
        f"{files} is not in {folder} (it has {present}): expected {expected}; flowfa data fetch "
        f"{name} gets it"
    )

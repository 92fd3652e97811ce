"""Where the files of an image set lie, and how damage to them is told."""

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
        Raised when decoding changes, so that older caches are not used.
    """

    name: str
    expected: str
    files: Callable[[Path, str], list[Path]]
    decode: Callable[[list[Path], str], ImageSet]
    format: int = 1


def data_folder(given: str | Path | None, source: Source) -> Path:
    """Return the folder of data sets: the given one, else that in FLOWFA_DATA.

    Raises
    ------
    InputError
        If neither is given, or it is no folder.
    """
    named = given if given is not None else os.environ.get(VARIABLE)
    if not named:
        raise InputError(
            f"it is not known where {source.name} is: set {VARIABLE} (or `data_dir`) to a folder "
            f"that has {source.expected}"
        )
    folder = Path(named).expanduser()
    if not folder.is_dir():
        origin = VARIABLE if given is None else "the data folder"
        raise InputError(
            f"{origin} is {str(named)!r}, which is no folder: expected one that has "
            f"{source.expected}"
        )
    return folder


def check_split(split: str) -> None:
    """Refuse a split that is neither train nor test."""
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)


def missing(name: str, what: str, folder: Path, expected: str) -> InputError:
    """Return the error for files of the set `name` that are not there."""
    found = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
    return InputError(
        f"{what} is not in {folder} (it has {found}): expected {expected}; flowfa data fetch "
        f"{name} gets it"
    )

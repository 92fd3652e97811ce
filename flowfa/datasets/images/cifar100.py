"""CIFAR-100 in its binary version (Krizhevsky 2009), read without unpickling or unpacking."""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path, PurePosixPath

import numpy as np

from flowfa.datasets.images.image_set import ImageSet
from flowfa.datasets.images.members import is_content
from flowfa.datasets.images.source import Source, missing
from flowfa.errors import InputError
from flowfa.files.atomic import reason

FOLDER = "cifar-100-binary"
ARCHIVE = "cifar-100-binary.tar.gz"
PICKLED = ("cifar-100-python", "cifar-100-python.tar.gz")
EXPECTED = f"{ARCHIVE}, or the folder {FOLDER} with train.bin, test.bin and fine_label_names.txt"
NAMES = "fine_label_names.txt"
FINE, COARSE = 100, 20
SHAPE = (3, 32, 32)
RECORD = 2 + 3 * 32 * 32
"""Bytes of an image: coarse label, fine label, red, green and blue rows."""
LARGEST = 10**9


def files(folder: Path, split: str) -> list[Path]:
    """Return the folder of the binary version, or its archive."""
    for parent in (folder, folder / "cifar100", folder / "cifar-100"):
        inside = [parent / FOLDER / f"{split}.bin", parent / FOLDER / NAMES]
        archive = parent / ARCHIVE
        # An unpacking that failed leaves an empty folder beside the archive.
        if (parent / FOLDER).exists() and (inside[0].exists() or not archive.exists()):
            return inside
        if archive.exists():
            return [archive]
    for name in PICKLED:
        if (folder / name).exists():
            raise InputError(
                f"{folder / name} is the Python version of cifar100, whose pickles are never "
                f"loaded: get the binary version, {ARCHIVE}"
            )
    raise missing("cifar100", "cifar100", folder, EXPECTED)


def decode(paths: list[Path], split: str) -> ImageSet:
    """Read images and fine labels.

    Raises
    ------
    InputError
        If a file is missing, damaged or truncated, or a label is out of range.
    """
    if len(paths) == 1:
        origin = str(paths[0])
        content, names = _from_archive(paths[0], (f"{split}.bin", NAMES))
    else:
        origin = str(paths[0].parent)
        content, names = (_from_file(path) for path in paths)
    title = f"{split}.bin in {origin}"
    if not content or len(content) % RECORD:
        raise InputError(
            f"{title} has {len(content)} bytes: expected a multiple of {RECORD}, 2 labels and "
            "3072 pixels an image; it is truncated or of another format"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    for column, kind, count in ((0, "coarse", COARSE), (1, "fine", FINE)):
        worst = int(records[:, column].argmax())
        if records[worst, column] >= count:
            raise InputError(
                f"{title} has the {kind} label {records[worst, column]} at image {worst}: expected "
                f"0 to {count - 1}; it is damaged or of another format"
            )
    listed = tuple(names.decode("utf-8", "replace").split())
    if len(listed) != FINE:
        raise InputError(f"{NAMES} in {origin} has {len(listed)} names: expected {FINE}")
    images = records[:, 2:].reshape(-1, *SHAPE)
    return ImageSet(images, records[:, 1].astype(np.int64), listed, "cifar100", split)


def _from_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({reason(error)}): expected {EXPECTED}") from None


def _from_archive(path: Path, member_names: tuple[str, ...]) -> list[bytes]:
    """Read members by name; only plain files count, and none is ever written to disk."""
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                is_sought = (
                    name in member_names and name not in contents and is_content(member.name)
                )
                if is_sought and member.isreg() and member.size <= LARGEST:
                    stream = archive.extractfile(member)
                    assert stream is not None
                    contents[name] = stream.read()
                    if len(contents[name]) != member.size:
                        raise InputError(f"{path} is truncated: {name} in it ends early")
                if len(contents) == len(member_names):
                    break
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise InputError(
            f"{path} is damaged or truncated ({reason(error)}): get {ARCHIVE} again"
        ) from None
    for name in member_names:
        if name not in contents:
            raise InputError(f"{path} has no file {FOLDER}/{name}: expected the official {ARCHIVE}")
    return [contents[name] for name in member_names]


CIFAR100 = Source("cifar100", EXPECTED, files, decode)

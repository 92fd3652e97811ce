"""MNIST in its IDX files (LeCun, Cortes & Burges 1998), plain or compressed."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from flowfa.datasets.images.image_set import ImageSet
from flowfa.datasets.images.source import Source, missing
from flowfa.errors import InputError
from flowfa.files.atomic import reason

STEMS = {"train": "train", "test": "t10k"}
FOLDERS = ("mnist", "MNIST/raw", ".")
EXPECTED = (
    "mnist/train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
    "t10k-labels-idx1-ubyte, plain or .gz"
)
UNSIGNED_BYTES = 8
GZIP = b"\x1f\x8b"
LARGEST = 2**31


def files(folder: Path, split: str) -> list[Path]:
    """Return the files of images and labels."""
    names = (f"{STEMS[split]}-images-idx3-ubyte", f"{STEMS[split]}-labels-idx1-ubyte")
    for subfolder in FOLDERS:
        paths = [_either(folder / subfolder / name) for name in names]
        if all(paths):
            return [path for path in paths if path]
    for name in names:
        if not any(_either(folder / subfolder / name) for subfolder in FOLDERS):
            raise missing("mnist", f"{name}[.gz]", folder, EXPECTED)
    raise InputError(
        f"images and labels of mnist ({split}) are in different folders below {folder}: put them "
        "into one, mnist"
    )


def decode(paths: list[Path], split: str) -> ImageSet:
    """Read images and labels.

    Raises
    ------
    InputError
        If a file is damaged, of another kind, or the two disagree.
    """
    images, labels = read_idx(paths[0], 3), read_idx(paths[1], 1)
    if len(images) != len(labels):
        raise InputError(
            f"{paths[0]} has {len(images)} images but {paths[1]} has {len(labels)} labels: they "
            "must be of one set"
        )
    if labels.max() > 9:
        raise InputError(f"{paths[1]} has the label {labels.max()}: expected digits 0 to 9")
    names = tuple(str(digit) for digit in range(10))
    return ImageSet(images[:, None], labels.astype(np.int64), names, "mnist", split)


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Read an IDX file of unsigned bytes.

    Parameters
    ----------
    path : Path
        Plain or compressed, whatever its name ends in.
    dimensions : int
        How many it should have.

    Raises
    ------
    InputError
        If the file is damaged, truncated, too long, or of another kind.
    """
    content = _content(path)
    header = 4 + 4 * dimensions
    magic = bytes((0, 0, UNSIGNED_BYTES, dimensions))
    if content[:4] != magic:
        raise InputError(
            f"{path} starts with {content[:4].hex() or 'nothing'}: expected {magic.hex()}, an IDX "
            f"file of bytes in {dimensions} dimension(s), plain or compressed by gzip"
        )
    if len(content) < header:
        raise InputError(f"{path} has {len(content)} bytes: its header alone takes {header}")
    shape = tuple(int(n) for n in np.frombuffer(content[4:header], ">u4"))
    body, expected = len(content) - header, math.prod(shape)
    if body != expected or not expected:
        fault = "truncated" if body < expected else "not what its header says"
        raise InputError(
            f"{path} is {fault}: expected {' x '.join(map(str, shape))} = {expected} bytes after "
            f"the header, found {body}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _content(path: Path) -> bytes:
    try:
        # The content decides, because some browsers unpack what they fetch and keep its name.
        with path.open("rb") as stream:
            packed = stream.read(len(GZIP)) == GZIP
        with gzip.open(path) if packed else path.open("rb") as stream:
            content = stream.read(LARGEST)
    except EOFError:
        raise InputError(
            f"{path} is truncated: its compressed data end early, after {path.stat().st_size} "
            "bytes; expected a whole IDX file, as flowfa data fetch mnist gets it"
        ) from None
    except (OSError, zlib.error) as error:
        problem = f"{path} cannot be read ({reason(error)})"
        raise InputError(f"{problem}: expected an IDX file, plain or compressed by gzip") from None
    return content


def _either(path: Path) -> Path | None:
    compressed = path.with_name(path.name + ".gz")
    return path if path.is_file() else compressed if compressed.is_file() else None


MNIST = Source("mnist", EXPECTED, files, decode)

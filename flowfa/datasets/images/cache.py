"""Decoded images, kept as one array file with a checksum; damaged ones are made again."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np

from flowfa.datasets.images.image_set import ImageSet
from flowfa.datasets.images.source import Source
from flowfa.errors import InputError
from flowfa.files.atomic import reason

VARIABLE = "FLOWFA_CACHE"
ARRAYS = ("images", "labels", "class_names", "checksum")


def cache_folder() -> Path:
    """Return the folder in FLOWFA_CACHE, else the platform's folder for caches."""
    configured = os.environ.get(VARIABLE)
    if configured:
        return Path(configured).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "flowfa"
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "flowfa"


def decoded(source: Source, paths: list[Path], split: str) -> ImageSet:
    """Return a split from its cache, or decode its files and keep the result.

    The name of the cache depends on the paths, sizes and times of change of the files, so that
    changed files are decoded anew. If no cache can be written, the files are decoded each time.

    Parameters
    ----------
    source : Source
    paths : list of Path
        The files, as ``source.files`` found them.
    split : str

    Raises
    ------
    InputError
        If the files are damaged.

    Warns
    -----
    UserWarning
        If a cache is damaged, or cannot be written.
    """
    file = cache_folder() / f"{source.name}-{split}-{_fingerprint(source, paths)}.npz"
    if file.is_file():
        try:
            return _read(file, source.name, split)
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, InputError) as error:
            warnings.warn(
                f"the cache {file} is damaged ({reason(error)}) and is made again", stacklevel=2
            )
    images = source.decode(paths, split)
    try:
        _write(file, images)
    except OSError as error:
        warnings.warn(
            f"decoded images cannot be kept in {file.parent} ({reason(error)}): set {VARIABLE} "
            "to a folder with room",
            stacklevel=2,
        )
    return images


def checksum(images: ImageSet) -> str:
    """Return a SHA-256 digest of shape, pixels, labels and class names."""
    digest = hashlib.sha256(repr((images.images.shape, images.class_names)).encode())
    digest.update(np.ascontiguousarray(images.images).data)
    digest.update(np.ascontiguousarray(images.labels).data)
    return digest.hexdigest()


def _read(file: Path, name: str, split: str) -> ImageSet:
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        images, labels, names, stored = (archive[key] for key in ARRAYS)
    image_set = ImageSet(
        images, labels, tuple(str(class_name) for class_name in names), name, split
    )
    if checksum(image_set) != str(stored):
        raise ValueError("its checksum does not match")
    return image_set


def _write(file: Path, images: ImageSet) -> None:
    """Write a file completely or not at all, even if two processes write it at once."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.stem}-", suffix=".part")
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            np.savez(
                stream,
                images=images.images,
                labels=images.labels,
                class_names=np.array(images.class_names),
                checksum=np.array(checksum(images)),
            )
        partial.replace(file)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _fingerprint(source: Source, paths: list[Path]) -> str:
    digest = hashlib.sha256(f"{source.name} {source.format}".encode())
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in inside:
            if file.is_file():
                status = file.stat()
                digest.update(f"{file.resolve()} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]

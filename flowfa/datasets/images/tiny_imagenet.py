"""Tiny-ImageNet (Stanford CS231N) in its original layout, as a folder or straight from the zip."""

from __future__ import annotations

import io
import os
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import numpy as np

from flowfa.datasets.images.image_set import ImageSet
from flowfa.datasets.images.members import is_content
from flowfa.datasets.images.source import Source, missing
from flowfa.errors import InputError
from flowfa.files.atomic import reason

NAME = "tiny-imagenet-200"
EXPECTED = (
    f"{NAME}.zip, or the folder {NAME} with wnids.txt, words.txt, train/<wnid>/images/*.JPEG, "
    "val/images/*.JPEG and val/val_annotations.txt"
)
PICTURES = (".jpeg", ".jpg")
LARGEST_SIDE = 1024


class Tree:
    """The files of the data set, by their names below its root.

    Parameters
    ----------
    origin : str
        Folder or archive, for messages.
    names : list of str
        All that is there; folders and traces of file managers are left out.
    read : callable
        Returns the content of a file by its name.
    """

    def __init__(self, origin: str, names: list[str], read: Callable[[str], bytes]) -> None:
        self.origin = origin
        self.names = {name for name in names if is_content(name)}
        self._read = read

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises
        ------
        InputError
            If it is missing or damaged.
        """
        if name not in self.names:
            raise InputError(f"{self.origin} has no file {name}: expected {EXPECTED}")
        try:
            return self._read(name)
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(
                f"{name} in {self.origin} is damaged ({reason(error)}): get the data set again"
            ) from None

    def lines(self, name: str) -> list[str]:
        """Return the lines of a text that are not empty."""
        text = self.read(name).decode("utf-8", "replace")
        return [line for line in text.splitlines() if line.strip()]


def files(folder: Path, split: str) -> list[Path]:
    """Return the folder of the data set, or its archive; the complete set comes first."""
    for parent in (folder, folder / "tiny-imagenet"):
        for name in (NAME, f"{NAME}.zip"):
            if (parent / name).exists():
                return [parent / name]
        parts = sorted(parent.glob("tiny-imagenet-*.zip"))
        if len(parts) > 1:
            raise InputError(
                f"{parent} has {', '.join(path.name for path in parts)}: leave one there, or "
                f"rename the one to use to {NAME}.zip"
            )
        if parts:
            return parts
    raise missing("tiny-imagenet", "tiny-imagenet", folder, EXPECTED)


def decode(paths: list[Path], split: str) -> ImageSet:
    """Read and decode all images of a split; the validation images are the test split.

    Raises
    ------
    InputError
        If a file is missing or damaged, or the parts disagree.
    """
    with _opened(paths[0]) as tree:
        wnids = [line.strip() for line in tree.lines("wnids.txt")]
        if len(set(wnids)) != len(wnids) or not wnids:
            raise InputError(f"wnids.txt in {tree.origin} is empty or names a class twice")
        titles = {
            wnid: text
            for wnid, _, text in (line.partition("\t") for line in tree.lines("words.txt"))
        }
        listed = _train(tree, wnids) if split == "train" else _validation(tree, wnids)
        first_picture = _picture(tree, listed[0][0])
        images = np.empty((len(listed), *first_picture.shape), np.uint8)
        for index, (name, _) in enumerate(listed):
            picture = _picture(tree, name)
            if picture.shape != first_picture.shape:
                raise InputError(
                    f"{name} in {tree.origin} is {picture.shape[2]} x {picture.shape[1]} but "
                    f"{listed[0][0]} is {first_picture.shape[2]} x "
                    f"{first_picture.shape[1]}: expected equal sizes"
                )
            images[index] = picture
    labels = np.array([label for _, label in listed], dtype=np.int64)
    names = tuple(titles.get(wnid, wnid) for wnid in wnids)
    return ImageSet(images, labels, names, "tiny-imagenet", split)


def _train(tree: Tree, wnids: list[str]) -> list[tuple[str, int]]:
    """Return names and labels, class by class, by the numbers in the names."""
    by_class: dict[str, list[str]] = {wnid: [] for wnid in wnids}
    for name in tree.names:
        parts = name.split("/")
        picture = parts[-1].lower().endswith(PICTURES)
        if picture and len(parts) == 4 and parts[0] == "train" and parts[2] == "images":
            if parts[1] not in by_class:
                raise InputError(
                    f"{tree.origin} has images of {parts[1]}, which is not in its wnids.txt"
                )
            by_class[parts[1]].append(name)
    listed = []
    for label, wnid in enumerate(wnids):
        if not by_class[wnid]:
            raise InputError(
                f"{tree.origin} has no image train/{wnid}/images/*.JPEG of a class in wnids.txt: "
                "it is incomplete"
            )
        listed += [(name, label) for name in sorted(by_class[wnid], key=_number)]
    return listed


def _validation(tree: Tree, wnids: list[str]) -> list[tuple[str, int]]:
    """Return names and labels of the validation images, by the numbers in the names."""
    label_of = {wnid: label for label, wnid in enumerate(wnids)}
    listed = []
    for number, line in enumerate(tree.lines("val/val_annotations.txt"), start=1):
        name, _, remainder = line.partition("\t")
        wnid = remainder.partition("\t")[0].strip()
        if wnid not in label_of:
            raise InputError(
                f"line {number} of val/val_annotations.txt in {tree.origin} gives {name!r} the "
                f"class {wnid!r}: expected a class of wnids.txt"
            )
        listed.append((f"val/images/{name}", label_of[wnid]))
    if not listed:
        raise InputError(f"val/val_annotations.txt in {tree.origin} is empty")
    return sorted(listed, key=lambda item: _number(item[0]))


def _number(name: str) -> tuple[int, str]:
    digits = PurePosixPath(name).stem.rpartition("_")[2]
    return (int(digits) if digits.isdecimal() else 0, name)


def _picture(tree: Tree, name: str) -> np.ndarray:
    """Return an image, (3, height, width); those stored in grey have three equal channels."""
    from PIL import Image

    content = tree.read(name)
    try:
        # pillow's warnings are ignored: their causes are refused here or are harmless metadata.
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content)) as image:
            if max(image.size) > LARGEST_SIDE:
                raise InputError(
                    f"{name} in {tree.origin} is {image.size[0]} x {image.size[1]}: expected at "
                    f"most {LARGEST_SIDE} pixels a side"
                )
            return np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    # Which of these pillow's decoders raise depends on where the file is damaged.
    except (OSError, ValueError, SyntaxError) as error:
        fault = "is not an image or truncated" if "cannot identify" in str(error) else reason(error)
        raise InputError(
            f"{name} in {tree.origin} cannot be decoded ({fault}, {len(content)} bytes): get the "
            "data set again"
        ) from None


@contextmanager
def _opened(path: Path) -> Iterator[Tree]:
    if path.is_dir():
        names = [
            (Path(folder) / name).relative_to(path).as_posix()
            for folder, _, inside in os.walk(path)
            for name in inside
        ]
        yield Tree(str(path), names, lambda name: (path / name).read_bytes())
        return
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} is damaged or truncated ({reason(error)}): expected {EXPECTED}"
        ) from None
    with archive:
        everything = [name for name in archive.namelist() if is_content(name)]
        roots = [name for name in everything if PurePosixPath(name).name == "wnids.txt"]
        if len(roots) != 1:
            raise InputError(
                f"{path} has {len(roots)} files wnids.txt: expected one, in {EXPECTED}"
            )
        root = roots[0].removesuffix("wnids.txt")
        names = [name.removeprefix(root) for name in everything if name.startswith(root)]
        yield Tree(str(path), names, lambda name: archive.read(root + name))


TINY_IMAGENET = Source("tiny-imagenet", EXPECTED, files, decode)

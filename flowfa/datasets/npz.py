"""Data sets in ``.npz`` files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from flowfa.datasets.dataset import Dataset
from flowfa.errors import InputError
from flowfa.files.archives import read_npz, write_npz

PROVENANCE = "provenance"
"""Array with a JSON text: name and origin of a set that flowfa made."""

CLASSES = "classes"
"""Number K of classes, where y has class numbers and some may have no sample."""


WEIGHTS = "sample_weights"
"""How much each sample counts, where they do not count alike."""


def load_npz(path: str | Path) -> Dataset:
    """Read a data set; nothing is ever unpickled.

    Parameters
    ----------
    path : str or Path
        Arrays ``X`` and ``y``, and if needed a number ``classes`` and ``sample_weights``, as
        `Dataset` takes them; other arrays are ignored.

    Raises
    ------
    InputError
        If the file cannot be read, an array is missing, or the arrays do not fit together.
    """
    arrays = read_npz(path, "X and y")
    for name in ("X", "y"):
        if name not in arrays:
            present = ", ".join(sorted(arrays)) or "nothing"
            raise InputError(f"{path} has no array {name} (it has {present}): store X and y")
    name, origin = str(path), {}
    if PROVENANCE in arrays:
        try:
            stored = json.loads(str(arrays[PROVENANCE]))
            name, origin = str(stored["name"]), dict(stored["origin"])
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"the array {PROVENANCE} in {path} is not what flowfa writes: leave it out"
            ) from None
    classes = arrays.get(CLASSES, np.array(0))
    if classes.ndim or classes.dtype.kind not in "iu":
        raise InputError(
            f"the array {CLASSES} in {path} has shape {classes.shape} and type {classes.dtype}: "
            "expected one whole number, the number of classes"
        )
    try:
        weights = arrays.get(WEIGHTS)
        return Dataset(arrays["X"], arrays["y"], name, origin, int(classes), weights)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def save_npz(data: Dataset, path: str | Path, overwrite: bool = False) -> None:
    """Write a data set, atomically; `load_npz` gives it back with name and origin.

    Raises
    ------
    InputError
        If there is something at `path` and `overwrite` is False, or it cannot be written.
    """
    stored = json.dumps({"name": data.name, "origin": data.origin})
    arrays = {"X": data.X, "y": data.y, PROVENANCE: np.array(stored)}
    if data.told_classes:
        arrays[CLASSES] = np.array(data.told_classes)
    if data.sample_weights is not None:
        arrays[WEIGHTS] = data.sample_weights
    write_npz(Path(path), arrays, overwrite)

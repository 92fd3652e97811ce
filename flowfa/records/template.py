"""Many small results of one structure, each written by filling a copy of an empty one.

To make the groups, variables and attributes of a file takes a hundred times as long as to write a
few numbers into them. A file depends on its contents only, and not on what was written before.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from flowfa.files.atomic import replacing
from flowfa.records.assemble import FILL
from flowfa.records.checksums import CHECKSUMS, with_checksums
from flowfa.records.writer import save_tree

MOST_BYTES = 2**22
"""Larger results are written as any other: their numbers take the time, not their structure."""
_MOST_TEMPLATES = 16

_templates: OrderedDict[str, bytes] = OrderedDict()


def save_alike(tree: xr.DataTree, path: Path) -> None:
    """Write a tree to a file as `save_tree` does, replacing one that is there.

    Parameters
    ----------
    tree : xarray.DataTree
        Of groups without groups in them.
    path : Path

    Raises
    ------
    InputError
        If the file system refuses.
    """
    if sum(node.nbytes for node in tree.children.values()) > MOST_BYTES:
        save_tree(tree, path, overwrite=True)
        return
    tree = with_checksums(tree)
    template = _template(tree, path)
    room = 2 * len(template) + sum(len(str(value)) for value in tree.attrs.values())
    with replacing(path, room) as partial:
        partial.write_bytes(template)
        with h5py.File(partial, "r+") as file:
            _fill(file, tree)


def _fill(file: h5py.File, tree: xr.DataTree) -> None:
    for group, node in tree.children.items():
        target: Any = file[group]
        for name, variable in node.to_dataset(inherit=False).variables.items():
            values = variable.values
            if math.prod(variable.shape):
                text = values.dtype.kind in "OU"
                # One by one, because HDF5 has no array of texts of different lengths.
                target[str(name)][...] = values.astype(object) if text else values
        target.attrs[CHECKSUMS] = node.attrs[CHECKSUMS]
    for name, value in tree.attrs.items():
        file.attrs[str(name)] = value


def _template(tree: xr.DataTree, path: Path) -> bytes:
    """Return an empty file of the structure of a tree; made beside `path` if there is none."""
    key = _structure(tree)
    if key in _templates:
        _templates.move_to_end(key)
        return _templates[key]
    place = path.with_suffix(".empty.nc")
    try:
        save_tree(_emptied(tree), place, overwrite=True)
        with h5py.File(place, "r+") as file:
            for owner in (file, *(file[group] for group in tree.children)):
                del owner.attrs[CHECKSUMS]
        _templates[key] = place.read_bytes()
    finally:
        place.unlink(missing_ok=True)
    while len(_templates) > _MOST_TEMPLATES:
        _templates.popitem(last=False)
    return _templates[key]


def _structure(tree: xr.DataTree) -> str:
    """Return everything of a tree but its values and the attributes of the root."""
    parts = []
    for group, node in tree.children.items():
        data = node.to_dataset(inherit=False)
        variables = [
            (str(name), v.dims, v.shape, v.dtype.kind, v.dtype.itemsize, sorted(v.attrs.items()))
            for name, v in data.variables.items()
        ]
        parts.append((str(group), variables, sorted(map(str, data.coords))))
    return json.dumps(parts, default=str)


def _emptied(tree: xr.DataTree) -> xr.DataTree:
    """Return a tree of the same structure without values."""
    empty = xr.DataTree()
    for group, node in tree.children.items():
        data = node.to_dataset(inherit=False)
        variables = {
            name: xr.Variable(v.dims, _nothing(v.values), v.attrs)
            for name, v in data.variables.items()
        }
        empty[str(group)] = xr.DataTree(xr.Dataset(variables).set_coords(list(data.coords)))
    return empty


def _nothing(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind in "OU":
        return np.full(values.shape, FILL["text"], dtype=object)
    return np.full(values.shape, np.nan if values.dtype.kind == "f" else 0, dtype=values.dtype)

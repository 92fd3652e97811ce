"""Many small results of one structure, each written by filling a copy of an empty one.

To make the groups, variables and attributes of a file takes a hundred times as long as to write a
few numbers into them. A file depends on its contents only: not on what was written before, nor on
the order in which a tree has them.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from flowfa.files.atomic import replacing
from flowfa.records.checksums import CHECKSUMS, of_attributes, of_group
from flowfa.records.writer import save_tree

MOST_BYTES = 2**22
"""Larger results are written as any other: their numbers take the time, not their structure."""
_MOST_TEMPLATES = 16

_templates: OrderedDict[str, bytes] = OrderedDict()


@dataclass(frozen=True)
class _Group:
    """The variables of a group in the order of their names, and which are coordinates."""

    variables: dict[str, xr.Variable]
    coordinates: tuple[str, ...]

    def to_dataset(self) -> xr.Dataset:
        return xr.Dataset(self.variables).set_coords(self.coordinates)


def save_alike(tree: xr.DataTree, path: Path, attributes: Mapping[str, Any]) -> None:
    """Write a tree to a file, replacing one that is there, with checksums of what is in it.

    Parameters
    ----------
    tree : xarray.DataTree
        Of groups without groups in them.
    path : Path
    attributes : mapping
        Of the root, instead of those of the tree.

    Raises
    ------
    InputError
        If the file system refuses.
    """
    groups = {group: _group(tree.children[group]) for group in sorted(tree.children)}
    attributes = {name: attributes[name] for name in sorted(attributes) if name != CHECKSUMS}
    if sum(v.nbytes for group in groups.values() for v in group.variables.values()) > MOST_BYTES:
        save_tree(_tree(groups, attributes), path, overwrite=True)
        return
    template = _template(groups, path)
    room = 2 * len(template) + sum(len(str(value)) for value in attributes.values())
    with replacing(path, room) as partial:
        partial.write_bytes(template)
        with h5py.File(partial, "r+") as file:
            for name, group in groups.items():
                _fill(file[name], group)
            file.attrs[CHECKSUMS] = of_attributes(attributes)
            for name, value in attributes.items():
                file.attrs[name] = value


def _group(node: xr.DataTree) -> _Group:
    data = node.to_dataset(inherit=False)
    variables = {
        str(name): xr.Variable(v.dims, v.values, dict(sorted(v.attrs.items())))
        for name, v in sorted(data.variables.items(), key=lambda entry: str(entry[0]))
    }
    return _Group(variables, tuple(sorted(map(str, data.coords))))


def _tree(groups: Mapping[str, _Group], attributes: Mapping[str, Any]) -> xr.DataTree:
    tree = xr.DataTree(xr.Dataset(attrs=dict(attributes)))
    for name, group in groups.items():
        tree[name] = xr.DataTree(group.to_dataset())
    return tree


def _fill(target: Any, group: _Group) -> None:
    for name, variable in group.variables.items():
        values = variable.values
        if values.size:
            # HDF5 takes texts of different lengths as objects only.
            target[name][...] = values.astype(object) if values.dtype.kind in "OU" else values
    target.attrs[CHECKSUMS] = of_group({n: v.values for n, v in group.variables.items()})


def _template(groups: Mapping[str, _Group], path: Path) -> bytes:
    """Return an empty file of the structure of groups; made beside `path` if there is none."""
    key = _structure(groups)
    if key in _templates:
        _templates.move_to_end(key)
        return _templates[key]
    empty = {
        name: _Group(
            {n: xr.Variable(v.dims, _nothing(v.values), v.attrs) for n, v in g.variables.items()},
            g.coordinates,
        )
        for name, g in groups.items()
    }
    place = path.with_suffix(".empty.nc")
    try:
        save_tree(_tree(empty, {}), place, overwrite=True)
        with h5py.File(place, "r+") as file:
            for owner in (file, *(file[name] for name in groups)):
                del owner.attrs[CHECKSUMS]
        _templates[key] = place.read_bytes()
    finally:
        place.unlink(missing_ok=True)
    while len(_templates) > _MOST_TEMPLATES:
        _templates.popitem(last=False)
    return _templates[key]


def _structure(groups: Mapping[str, _Group]) -> str:
    """Return everything of groups but their values."""
    parts = [
        (
            name,
            [
                (n, v.dims, v.shape, v.dtype.kind, v.dtype.itemsize, v.attrs)
                for n, v in group.variables.items()
            ],
            group.coordinates,
        )
        for name, group in groups.items()
    ]
    return json.dumps(parts, default=str)


def _nothing(values: np.ndarray) -> np.ndarray:
    """Return an array of the same shape without values."""
    if values.dtype.kind in "OU":
        return np.full(values.shape, "", dtype=object)
    return np.full(values.shape, np.nan if values.dtype.kind == "f" else 0, dtype=values.dtype)

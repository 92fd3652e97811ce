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
_MOST_TEMPLATES = 64
_MORE_AT_A_TIME = 2**16
"""Bytes by which HDF5 lets a file in memory grow."""

Variables = dict[str, xr.Variable]
"""Of a group, in the order of their names."""


@dataclass(frozen=True)
class _Template:
    """An empty file, and where in it the numbers of its variables lie: byte and type."""

    content: bytes
    places: dict[tuple[str, str], tuple[int, np.dtype]]


_templates: OrderedDict[str, _Template] = OrderedDict()


def save_alike(tree: xr.DataTree, path: Path, attributes: Mapping[str, Any]) -> None:
    """Write a tree to a file, replacing one that is there, with checksums of what is in it.

    After a power cut the file is whole or not there, but may be not there.

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
    groups = {group: _variables(tree.children[group]) for group in sorted(tree.children)}
    coordinates = {group: sorted(map(str, tree.children[group].coords)) for group in groups}
    attributes = {name: attributes[name] for name in sorted(attributes) if name != CHECKSUMS}
    if sum(v.nbytes for variables in groups.values() for v in variables.values()) > MOST_BYTES:
        save_tree(_tree(groups, coordinates, attributes), path, overwrite=True)
        return
    template = _template(groups, coordinates, path)
    with replacing(path, sync_folder=False) as partial:
        partial.write_bytes(_filled(template, groups, attributes))


def _variables(node: xr.DataTree) -> Variables:
    variables = node.to_dataset(inherit=False).variables
    return {str(name): variables[name] for name in sorted(variables, key=str)}


def _tree(
    groups: Mapping[str, Variables],
    coordinates: Mapping[str, list[str]],
    attributes: Mapping[str, Any],
) -> xr.DataTree:
    tree = xr.DataTree(xr.Dataset(attrs=dict(attributes)))
    for group, variables in groups.items():
        ordered = {
            name: xr.Variable(v.dims, v.values, dict(sorted(v.attrs.items())))
            for name, v in variables.items()
        }
        tree[group] = xr.DataTree(xr.Dataset(ordered).set_coords(coordinates[group]))
    return tree


def _filled(
    template: _Template, groups: Mapping[str, Variables], attributes: Mapping[str, Any]
) -> bytes:
    """Return the file: numbers are put where they lie, texts and attributes by HDF5 in memory."""
    content = bytearray(template.content)
    others: dict[tuple[str, str], np.ndarray] = {}
    for group, variables in groups.items():
        for name, variable in variables.items():
            if (group, name) in template.places:
                begin, dtype = template.places[group, name]
                stored = np.ascontiguousarray(variable.values, dtype).tobytes()
                content[begin : begin + len(stored)] = stored
            elif variable.size:
                others[group, name] = variable.values
    # Below the usual interface of h5py, because that takes several times as long.
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fapl_core(_MORE_AT_A_TIME, backing_store=False)
    access.set_file_image(bytes(content))
    file = h5py.h5f.open(b"in memory", h5py.h5f.ACC_RDWR, access)
    try:
        for (group, name), values in others.items():
            # HDF5 takes texts of different lengths as objects only.
            values = values.astype(object) if values.dtype.kind in "OU" else values
            h5py.Dataset(h5py.h5d.open(file, f"{group}/{name}".encode()))[...] = values
        for group, variables in groups.items():
            digests = of_group({name: v.values for name, v in variables.items()})
            _set(h5py.h5g.open(file, group.encode()), CHECKSUMS, digests)
        _set(file, CHECKSUMS, of_attributes(attributes))
        for name, value in attributes.items():
            _set(file, name, value)
        h5py.h5f.flush(file)
        return file.get_file_image()
    finally:
        file.close()


def _set(owner: Any, name: str, value: Any) -> None:
    """Give a file or a group an attribute: a text or a number."""
    dtype = h5py.string_dtype() if isinstance(value, str) else np.asarray(value).dtype
    kind = h5py.h5t.py_create(dtype, logical=True)
    space = h5py.h5s.create(h5py.h5s.SCALAR)
    h5py.h5a.create(owner, name.encode(), kind, space).write(np.array(value, dtype))


def _template(
    groups: Mapping[str, Variables], coordinates: Mapping[str, list[str]], path: Path
) -> _Template:
    """Return an empty file of the structure of groups; made beside `path` if there is none."""
    key = _structure(groups, coordinates)
    if key in _templates:
        _templates.move_to_end(key)
        return _templates[key]
    empty = {
        group: {n: xr.Variable(v.dims, _nothing(v.values), v.attrs) for n, v in variables.items()}
        for group, variables in groups.items()
    }
    place = path.with_suffix(".empty.nc")
    try:
        save_tree(_tree(empty, coordinates, {}), place, overwrite=True)
        with h5py.File(place, "r+") as file:
            opened: dict[str, Any] = {group: file[group] for group in groups}
            for owner in (file, *opened.values()):
                del owner.attrs[CHECKSUMS]
            places = {
                (group, name): (begin, opened[group][name].dtype)
                for group, variables in groups.items()
                for name in variables
                if (begin := _begin_of(opened[group][name])) is not None
            }
        _templates[key] = _Template(place.read_bytes(), places)
    finally:
        place.unlink(missing_ok=True)
    while len(_templates) > _MOST_TEMPLATES:
        _templates.popitem(last=False)
    return _templates[key]


def _begin_of(variable: h5py.Dataset) -> int | None:
    """Return where the numbers of a variable begin; None if they do not lie in one piece."""
    if variable.dtype.kind not in "biuf" or variable.chunks is not None or not variable.size:
        return None
    return variable.id.get_offset()


def _structure(groups: Mapping[str, Variables], coordinates: Mapping[str, list[str]]) -> str:
    """Return everything of groups but their values."""
    parts = [
        (
            group,
            [
                (n, v.dims, v.shape, v.dtype.kind, v.dtype.itemsize, sorted(v.attrs.items()))
                for n, v in variables.items()
            ],
            coordinates[group],
        )
        for group, variables in groups.items()
    ]
    return json.dumps(parts, default=str)


def _nothing(values: np.ndarray) -> np.ndarray:
    """Return an array of the same shape without values."""
    if values.dtype.kind in "OU":
        return np.full(values.shape, "", dtype=object)
    return np.full(values.shape, np.nan if values.dtype.kind == "f" else 0, dtype=values.dtype)

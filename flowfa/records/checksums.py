"""Checksums in a result, by which a later change of any variable or attribute is found.

Each group has an attribute ``checksums``, a JSON object of digests by variable, and by attribute
of the group behind ``attributes/``; that of the root has them by attribute. Readers of other
languages pass over it. A file without it is as good, but what was changed in it shows only where
the numbers contradict each other.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

if TYPE_CHECKING:
    from xarray import DataTree

CHECKSUMS = "checksums"
"""Name of the attribute."""
_BLOCK_BYTES = 2**26
"""Most bytes of a variable that are looked at together, which bounds the memory."""
_DIGITS = 32
_FEW = 1000
"""Numbers of which an array of conditions takes less time than to quiet the warnings of a sum."""
OF_ATTRIBUTES = "attributes/"
"""Before the name of an attribute of a group; no variable has a name with a slash in it."""


def of_group(variables: Mapping[str, Any], attributes: Mapping[Any, Any] | None = None) -> str:
    """Return the attribute of a group.

    Parameters
    ----------
    variables : mapping
        Arrays, or variables of an open file, by name.
    attributes : mapping, optional
        The other attributes of the group: texts and numbers.
    """
    digests = {name: of_array(variables[name]) for name in sorted(variables)}
    named = {str(name): value for name, value in (attributes or {}).items() if name != CHECKSUMS}
    digests |= {OF_ATTRIBUTES + name: _of_value(named[name]) for name in sorted(named)}
    return json.dumps(digests)


def of_attributes(attributes: Mapping[Any, Any]) -> str:
    """Return the attribute of the root, from its other attributes: texts and numbers."""
    return json.dumps(
        {name: _of_value(attributes[name]) for name in sorted(attributes) if name != CHECKSUMS}
    )


def find_changes(tree: DataTree) -> list[str]:
    """Return what in a result was changed, in words; nothing where it has no checksums.

    Parameters
    ----------
    tree : xarray.DataTree
        As `flowfa.load` returns it.
    """
    found: list[str] = []
    for name, digest in _stored(tree.attrs).items():
        if name not in tree.attrs:
            found.append(f"the attribute {name} was removed after it was written")
        elif _of_value(tree.attrs[name]) != digest:
            found.append(f"the attribute {name} was changed after it was written")
    for node in tree.children.values():
        variables = node.to_dataset(inherit=False).variables
        for name, digest in _stored(node.attrs).items():
            if name.startswith(OF_ATTRIBUTES):
                attribute = name.removeprefix(OF_ATTRIBUTES)
                there = attribute in node.attrs
                same = there and _of_value(node.attrs[attribute]) == digest
                what = f"the attribute {attribute} of {node.path}"
            else:
                there = name in variables
                same = there and of_array(variables[name].values) == digest
                what = f"{node.path}/{name}"
            if not same:
                change = "changed" if there else "removed"
                found.append(f"{what} was {change} after it was written")
    return found


def with_checksums(tree: DataTree) -> DataTree:
    """Return a copy of a tree in which every group has checksums; those that are there stay.

    So a result that was read, changed and saved is found to be changed.
    """
    tree = tree.copy()
    if CHECKSUMS not in tree.attrs:
        tree.attrs[CHECKSUMS] = of_attributes(tree.attrs)
    for node in tree.children.values():
        if CHECKSUMS not in node.attrs:
            variables = node.to_dataset(inherit=False).variables
            node.attrs[CHECKSUMS] = of_group(
                {str(name): variable.values for name, variable in variables.items()}, node.attrs
            )
    return tree


def _stored(attributes: Mapping[Any, Any]) -> dict[str, str]:
    return json.loads(attributes.get(CHECKSUMS, "{}"))


def _of_value(value: Any) -> str:
    plain = value.item() if isinstance(value, np.generic) else value
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()[:_DIGITS]


def of_array(array: Any) -> str:
    """Return the digest of shape and values, the same from memory and from a file."""
    summary = hashlib.sha256(repr(tuple(int(size) for size in array.shape)).encode())
    if array.dtype.kind not in "biuf":
        texts = array.asstr() if isinstance(array, h5py.Dataset) else array
        listed = np.asarray(texts[()]).astype(str).ravel().tolist()
        summary.update(json.dumps(listed).encode())
        return summary.hexdigest()[:_DIGITS]
    for place in _blocks(array.shape, array.dtype.itemsize):
        values = np.asarray(array[place])
        if values.dtype.kind == "f" and _holds_nan(values):
            # A number that is none has many patterns of bits, of which readers keep one.
            values = np.where(np.isnan(values), np.nan, values)
        values = values.astype(values.dtype.newbyteorder("<"), copy=False)
        # Flat, because what is not contiguous has no buffer; no copy is made of what is.
        summary.update(values.ravel().data)
    return summary.hexdigest()[:_DIGITS]


def _holds_nan(values: np.ndarray) -> bool:
    """Return whether there may be one: the sum says so, without an array of conditions."""
    if values.size < _FEW:
        return bool(np.isnan(values).any())
    with np.errstate(all="ignore"):
        return bool(np.isnan(values.sum()))


def _blocks(shape: tuple[int, ...], itemsize: int) -> Iterator[tuple[slice, ...]]:
    """Return parts of an array, in the order of its values, none of much more than a block."""
    if not shape:
        yield ()
        return
    row = itemsize * math.prod(shape[1:])
    if row > _BLOCK_BYTES:
        for index in range(shape[0]):
            for rest in _blocks(shape[1:], itemsize):
                yield (slice(index, index + 1), *rest)
        return
    rows = max(1, _BLOCK_BYTES // max(row, 1))
    for start in range(0, shape[0], rows):
        yield (slice(start, start + rows),)

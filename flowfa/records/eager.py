"""Results read at once: the tree that xarray makes of a file, in a tenth of the time.

xarray finds each variable anew for each of its properties, which takes longer than to read the
numbers of a small result. Here is only what flowfa writes: of a file that has anything else,
nothing is returned, and xarray reads it.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import xarray as xr

_OF_NETCDF = frozenset(
    {
        "CLASS",
        "DIMENSION_LIST",
        "NAME",
        "REFERENCE_LIST",
        "_NCProperties",
        "_Netcdf4Coordinates",
        "_Netcdf4Dimid",
        "_nc3_strict",
    }
)
"""Attributes that are no user's."""
_OF_VARIABLES = frozenset(
    {"_FillValue", "coordinates", "long_name", "source", "spec", "stored", "units"}
)
"""Others may ask xarray to change the numbers."""
_NO_VARIABLE = b"This is a netCDF dimension but not a netCDF variable."


class _OtherError(Exception):
    """The file has something that flowfa does not write."""


def read_tree(file: h5py.File) -> xr.DataTree | None:
    """Return all of a file, as `xarray.open_datatree` reads it; None if it is no usual result.

    Parameters
    ----------
    file : h5py.File
    """
    try:
        root = xr.Dataset(attrs=_attributes(file))
        groups = {name: _group(file, group) for name, group in file.items()}
        return xr.DataTree.from_dict({"/": root, **groups})
    # What is damaged fails by whichever of these it happens to cause; xarray says what it is.
    except (_OtherError, OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError):
        return None


def _group(file: h5py.File, group: Any) -> xr.Dataset:
    if not isinstance(group, h5py.Group):
        raise _OtherError
    entries = dict(group.items())
    variables: dict[str, xr.Variable] = {}
    listed: set[str] = set()
    for name, dataset in entries.items():
        if not isinstance(dataset, h5py.Dataset):
            raise _OtherError
        attributes = dict(dataset.attrs)
        title = attributes.get("NAME")
        if isinstance(title, bytes) and title.startswith(_NO_VARIABLE):
            continue
        dims = _dims(file, group, name, dataset, attributes)
        if not _OF_VARIABLES.issuperset(attributes.keys() - _OF_NETCDF):
            raise _OtherError
        own = _plain(attributes)
        encoding = {n: own.pop(n) for n in ("_FillValue", "coordinates") if n in own}
        values = _values(dataset)
        _check_as_it_is(values, own, encoding)
        listed |= set(encoding.get("coordinates", "").split())
        variables[name] = xr.Variable(dims, values, own, encoding)
    if not listed <= variables.keys():
        raise _OtherError
    coordinates = {name for name, variable in variables.items() if variable.dims == (name,)}
    return xr.Dataset(variables, attrs=_attributes(group)).set_coords(sorted(coordinates | listed))


def _dims(
    file: h5py.File, group: h5py.Group, name: str, dataset: h5py.Dataset, attributes: dict
) -> tuple[str, ...]:
    """Return the names of the dimensions, each of the group of the variable."""
    if dataset.maxshape != dataset.shape:
        raise _OtherError
    if attributes.get("CLASS") == b"DIMENSION_SCALE":
        if dataset.ndim != 1:
            raise _OtherError
        return (name,)
    references = attributes.get("DIMENSION_LIST", ())
    if len(references) != dataset.ndim or any(len(places) != 1 for places in references):
        raise _OtherError
    found = [str(file[places[0]].name).rpartition("/") for places in references]
    if any(place != group.name for place, _, _ in found):
        raise _OtherError
    return tuple(last for _, _, last in found)


def _values(dataset: h5py.Dataset) -> np.ndarray:
    if (text := h5py.check_string_dtype(dataset.dtype)) is not None:
        if text.length is not None or text.encoding != "utf-8":
            raise _OtherError
        # As xarray shows them: as long as the longest.
        return np.asarray(dataset.asstr()[()], dtype=object).astype(str)
    if dataset.dtype.kind not in "if" or not dataset.dtype.isnative:
        raise _OtherError
    return np.asarray(dataset[()])


def _check_as_it_is(values: np.ndarray, attributes: dict, encoding: dict) -> None:
    """Refuse what xarray would take for a missing number, or for a time."""
    fill = encoding.get("_FillValue")
    if fill is not None and not (values.dtype.kind == "f" and np.isnan(fill)):
        raise _OtherError
    if not isinstance(encoding.get("coordinates", ""), str) or attributes.get("units", "1") != "1":
        raise _OtherError


def _attributes(owner: h5py.Group) -> dict[str, Any]:
    return _plain(dict(owner.attrs))


def _plain(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of the user: texts and numbers."""
    found = {name: value for name, value in attributes.items() if name not in _OF_NETCDF}
    for name, value in found.items():
        if isinstance(value, np.ndarray) and value.shape == (1,):
            found[name] = value = value[0]
        if not isinstance(value, str | np.number):
            raise _OtherError
    return found

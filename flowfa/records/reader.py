"""Results read back from files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import h5py
import xarray as xr

from flowfa.errors import InputError
from flowfa.files.atomic import reason
from flowfa.files.paths import as_path
from flowfa.files.sizes import physical_memory
from flowfa.records.attributes import check_variables, checked_attributes
from flowfa.records.eager import read_tree
from flowfa.records.names import GROUPS

MOST_AT_ONCE = 2**22
"""Bytes of a result that is read at once, because to open it variable by variable takes longer."""


def load(path: str | Path, lazy: bool = False) -> xr.DataTree:
    """Read a result file.

    Parameters
    ----------
    path : str or Path
    lazy : bool
        By default everything is read and the file is closed: it can be moved or replaced, and
        other programs can write to it. With True the values of a result above `MOST_AT_ONCE`
        are read when they are first asked for; it stays open, and locked against writing, until
        the tree is closed or deleted.

    Returns
    -------
    xarray.DataTree
        Groups as docs/reference/file-format.md says.

    Raises
    ------
    InputError
        If there is no such file, it is damaged, or it is no result of flowfa.
    """
    path = as_path(path)
    _check_file(path)
    tree = None
    # The libraries below report damage by whichever of these errors it happens to cause.
    try:
        # h5py looks first, because a file that xarray opened only in part gives warnings later.
        with h5py.File(path, "r") as file:
            missing = [name for name in GROUPS if not isinstance(file.get(name), h5py.Group)]
            asked = _bytes_of(file)
            if not lazy and asked > physical_memory():
                raise ValueError(
                    f"it asks for {asked / 1e9:.3g} GB, more than the memory of this machine"
                )
            if not missing and (not lazy or asked <= MOST_AT_ONCE):
                tree = read_tree(file)
        if not missing and tree is None:
            # In a file that was changed, parts that netCDF did not write have no named dimensions.
            tree = xr.open_datatree(path, engine="h5netcdf", phony_dims="sort")
            if not lazy:
                tree = tree.load()
                tree.close()
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        if tree is not None:
            tree.close()
        raise InputError(
            f"{path} is damaged or incomplete ({reason(error)}): make it again, or use a copy"
        ) from error
    if tree is None:
        raise InputError(
            f"{path} is no result of flowfa (it has no group /{missing[0]}): give a file written "
            "by flowfa simulate"
        )
    try:
        tree.attrs = checked_attributes(tree.attrs, str(path))
        check_variables(tree, str(path))
        for group in tree.children.values():
            checked_attributes(group.attrs, str(path))
    except InputError:
        tree.close()
        raise
    return tree


def _bytes_of(file: h5py.File) -> int:
    """Return the memory that all variables ask for, which damage can make any number."""
    asked = 0

    def add(name: str, entry: object) -> None:
        nonlocal asked
        if isinstance(entry, h5py.Dataset) and entry.shape is not None:
            asked += math.prod(entry.shape) * entry.dtype.itemsize

    file.visititems(add)
    return asked


def _check_file(path: Path) -> None:
    """Check that there is an HDF5 file."""
    if path.is_dir():
        raise InputError(f"{path} is a directory: give a file written by flowfa simulate")
    try:
        with path.open("rb") as stream:
            empty = not stream.read(1)
    except FileNotFoundError:
        raise InputError(
            f"there is no file {path}: give a file written by flowfa simulate"
        ) from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({reason(error)}): give permission, or use a copy"
        ) from error
    if empty:
        raise InputError(f"{path} is empty: give a file written by flowfa simulate")
    if not h5py.is_hdf5(path):
        raise InputError(f"{path} is no netCDF4 file: give a file written by flowfa simulate")


def recorded_settings(tree: xr.DataTree) -> dict[str, Any]:
    """Return the settings that a result says it was made with; empty if it does not tell."""
    try:
        settings = json.loads(tree.attrs["config"])
    except (KeyError, ValueError, TypeError):
        return {}
    return settings if isinstance(settings, dict) else {}


def weights_decay(tree: xr.DataTree) -> bool:
    """Return whether a result says that it was made with weight decay."""
    decay = recorded_settings(tree).get("weight_decay", 0.0)
    return any(decay) if isinstance(decay, list) else bool(decay)

"""Results written to netCDF4 files, or built in memory as a tree."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import xarray as xr

from flowfa.files.atomic import check_place, replacing
from flowfa.records.assemble import FILL, allocate, constant_values, fill
from flowfa.records.checksums import CHECKSUMS, of_attributes, of_group, with_checksums
from flowfa.records.layout import RecordLayout
from flowfa.records.recorder import Recorder
from flowfa.records.schema import Variable, describe, dimensions

# Larger variables are stored in tiles of this size, so that a part can be written or read alone.
_TILE_BYTES = 2**20
# Room for headers, indices, and texts.
_FORMAT_BYTES = 2**21


def write_run(
    path: str | Path,
    layout: RecordLayout,
    recorder: Recorder,
    *,
    attributes: Mapping[str, Any],
    feedback: Mapping[str, np.ndarray],
    data: Mapping[str, np.ndarray],
    solver: Mapping[str, np.ndarray],
    continuation: Mapping[str, np.ndarray] | None = None,
    overwrite: bool,
) -> None:
    """Write a result file, atomically; the record passes through memory chunk by chunk.

    Parameters
    ----------
    path : str or Path
    layout : RecordLayout
    recorder : Recorder
    attributes : dict
        Root attributes, text or numbers.
    feedback : dict
        Matrices that the rules keep, (trajectory, ...), NaN where a rule keeps none.
    data : dict
        ``X`` and ``y``, with a leading dimension where each start has samples of its own.
    solver : dict
        Variables of /solver, (trajectory,).
    continuation : dict, optional
        Variables of /continuation, (trajectory, ...): what a longer run begins from.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    InputError
        If there is a file already and `overwrite` is False, or the file system refuses. No
        part of the new file is left then, and an old one is as it was.
    """
    check_place(path, overwrite)
    variables = describe(layout, dict(data), continuation)
    constant = constant_values(layout, feedback, data, solver)
    constant |= {("continuation", name): array for name, array in (continuation or {}).items()}
    room = sum(_stored_bytes(variable.shape) for variable in variables)
    room += sum(len(str(value)) for value in attributes.values()) + _FORMAT_BYTES
    with replacing(Path(path), room) as partial:
        partial.write_bytes(_empty(_Structure(variables)))
        # Below netCDF there is HDF5, and writing to it directly costs a quarter of the time.
        with h5py.File(partial, "r+") as file:
            for name, value in attributes.items():
                # netCDF has no single numbers.
                file.attrs[name] = value if isinstance(value, str) else np.atleast_1d(value)
            targets = {
                (variable.group, variable.name): file[f"{variable.group}/{variable.name}"]
                for variable in variables
            }
            fill(layout, recorder, constant, targets)
            for group in dimensions(variables):
                named = {name: targets[of, name] for of, name in targets if of == group}
                file[group].attrs[CHECKSUMS] = of_group(named)
            file.attrs[CHECKSUMS] = of_attributes(attributes)


def build_tree(
    layout: RecordLayout,
    recorder: Recorder,
    *,
    attributes: Mapping[str, Any],
    feedback: Mapping[str, np.ndarray],
    data: Mapping[str, np.ndarray],
    solver: Mapping[str, np.ndarray],
    continuation: Mapping[str, np.ndarray] | None = None,
) -> xr.DataTree:
    """Return in memory what `write_run` writes and `load` reads back; parameters as there."""
    variables = describe(layout, dict(data), continuation)
    arrays = allocate(variables)
    constant = constant_values(layout, feedback, data, solver)
    constant |= {("continuation", name): array for name, array in (continuation or {}).items()}
    fill(layout, recorder, constant, arrays)
    tree = xr.DataTree(xr.Dataset(attrs=dict(attributes)))
    for group in dimensions(variables):
        in_group = [variable for variable in variables if variable.group == group]
        entries = {
            variable.name: xr.Variable(variable.dims, arrays[group, variable.name], variable.attrs)
            for variable in in_group
        }
        names = [variable.name for variable in in_group if variable.coordinate]
        tree[group] = xr.DataTree(xr.Dataset(entries).set_coords(names))
    return tree


def save_tree(tree: xr.DataTree, path: str | Path, overwrite: bool) -> None:
    """Write a tree to a file, atomically, stored as `write_run` stores it.

    Groups that have checksums keep them, so that what was changed since they were read shows.

    Parameters
    ----------
    tree : xarray.DataTree
    path : str or Path
        May be the file that the tree was loaded from.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    InputError
        As `write_run`.
    """
    check_place(path, overwrite)
    tree = with_checksums(tree)
    encoding: dict[str, dict[str, Any]] = {}
    for node in tree.subtree:
        encoding[node.path] = {
            str(name): _encoding(variable.shape, variable.dtype)
            for name, variable in node.to_dataset(inherit=False).variables.items()
        }
    room = sum(
        _stored_bytes(variable.shape)
        for node in tree.subtree
        for variable in node.to_dataset(inherit=False).variables.values()
    )
    room += sum(len(str(value)) for value in tree.attrs.values()) + _FORMAT_BYTES
    with replacing(Path(path), room) as partial:
        tree.to_netcdf(partial, engine="h5netcdf", encoding=encoding)


def _encoding(shape: tuple[int, ...], dtype: np.dtype) -> dict[str, Any]:
    encoding: dict[str, Any] = {"_FillValue": np.nan if dtype.kind == "f" else None}
    tiles = _tiles(shape) if dtype.kind in "fi" else None
    return encoding if tiles is None else {**encoding, "chunksizes": tiles}


class _Structure:
    """Variables, equal to those of another result if all is that is not their values."""

    def __init__(self, variables: list[Variable]) -> None:
        self.variables = variables
        self._key = tuple(
            (v.group, v.name, v.dims, v.shape, v.kind, tuple(v.attrs.items()), v.coordinate)
            for v in variables
        )

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Structure) and self._key == other._key


@functools.lru_cache(maxsize=16)
def _empty(structure: _Structure) -> bytes:
    """Return a file without values: to make one takes longer than to fill it."""
    content = io.BytesIO()
    with h5netcdf.File(content, "w") as file:
        _create(file, structure.variables)
    return content.getvalue()


def _create(file: h5netcdf.File, variables: list[Variable]) -> None:
    """Create groups, dimensions, and variables that hold their fill values."""
    for group, sizes in dimensions(variables).items():
        file.create_group(group).dimensions = sizes
    for variable in variables:
        text = variable.kind == "text"
        target = file[variable.group].create_variable(
            variable.name,
            variable.dims,
            dtype=h5py.string_dtype("utf-8") if text else variable.kind,
            # Not -1 for counts: as an attribute, it would make readers take them for missing.
            fillvalue=FILL[variable.kind] if variable.kind == "float64" else None,
            chunks=None if text else _tiles(variable.shape),
        )
        target.attrs.update(variable.attrs)
        # Readers find coordinates without a dimension of their name by this convention (CF 5.2).
        coordinates = [
            candidate.name
            for candidate in variables
            if candidate.group == variable.group
            and candidate.coordinate
            and (candidate.name,) != candidate.dims
            and set(candidate.dims) <= set(variable.dims)
        ]
        if coordinates and not variable.coordinate:
            target.attrs["coordinates"] = " ".join(coordinates)


def _stored_bytes(shape: tuple[int, ...]) -> int:
    tiles = _tiles(shape) or shape
    return 8 * math.prod(
        -(-size // max(tile, 1)) * tile for size, tile in zip(shape, tiles, strict=True)
    )


def _tiles(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return tiles of whole trailing dimensions, or None to store everything in one piece."""
    if math.prod(shape) * 8 <= _TILE_BYTES:
        return None
    tiles: list[int] = []
    most = _TILE_BYTES // 8
    block = 1
    for size in reversed(shape):
        # Parts are equal, and blocks that are large enough are not joined, so that little of the
        # last tile is unused, which takes its full room.
        parts = -(-size // max(1, most // block))
        tiles.insert(0, 1 if 8 * block >= most else -(-size // parts))
        block *= tiles[0]
    return tuple(tiles)

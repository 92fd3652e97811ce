"""The collection of a sweep as a file: one data set, as Zarr or as netCDF."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
from pathlib import Path

import h5py
import xarray as xr

from flowfa.errors import InputError
from flowfa.files.atomic import partial_path, reason
from flowfa.files.lock import sole_writer
from flowfa.records.attributes import check_schema
from flowfa.records.dataset_file import write_dataset

KIND = "sweep"
"""The root attribute ``kind`` of a collection."""


def write_collection(data: xr.Dataset, path: str | Path) -> None:
    """Write a collection as Zarr or, if the name ends in .nc, as netCDF; whole or not at all.

    Raises
    ------
    InputError
        If the name ends otherwise, Zarr is not installed, or the file system refuses.
    """
    path = Path(path)
    if path.suffix == ".nc":
        write_dataset(data, path)
        return
    if path.suffix != ".zarr":
        raise InputError(f"`out` is {str(path)!r}: expected a name that ends in .zarr or .nc")
    if importlib.util.find_spec("zarr") is None:
        raise InputError(
            "Zarr is not installed, which writing .zarr needs: pip install 'flowfa[cluster]', or "
            "give `out` a name that ends in .nc"
        )
    partial = partial_path(path)
    try:
        with sole_writer(path, "out"):
            shutil.rmtree(partial, ignore_errors=True)
            data.to_zarr(partial, mode="w", consolidated=True, zarr_format=2)
            _exchange(partial, path)
    except OSError as error:
        raise InputError(f"{path} could not be written ({reason(error)}): make room") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read_collection(path: str | Path) -> xr.Dataset | None:
    """Return a collection in memory; None if there is something else at `path`.

    Raises
    ------
    InputError
        If it is damaged.
    """
    path = Path(path)
    try:
        if path.is_dir() and (path / ".zattrs").is_file():
            with xr.open_zarr(path) as opened:
                data = opened.load()
        elif path.is_file() and h5py.is_hdf5(path):
            with h5py.File(path, "r") as file:
                if file.attrs.get("kind") != KIND:
                    return None
            with xr.open_dataset(path, engine="h5netcdf") as opened:
                data = opened.load()
        else:
            return None
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, ImportError) as error:
        raise InputError(
            f"{path} is no collection that can be read ({reason(error)}): collect the sweep again"
        ) from error
    if data.attrs.get("kind") != KIND:
        return None
    check_schema(data.attrs, str(path))
    return data


def _exchange(new: Path, old: Path) -> None:
    """Put a folder in the place of another one."""
    aside = old.with_name(f".{old.name}.replaced")
    shutil.rmtree(aside, ignore_errors=True)
    if old.is_dir():
        if any(old.iterdir()) and not (old / ".zgroup").is_file():
            raise InputError(f"{old} is a folder and no Zarr store: choose another `out`")
        old.rename(aside)
    new.rename(old)
    with contextlib.suppress(OSError):
        shutil.rmtree(aside)

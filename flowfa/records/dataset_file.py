"""A data set of xarray as a netCDF4 file, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from flowfa.files.atomic import replacing


def write_dataset(data: xr.Dataset, path: Path) -> None:
    """Write a data set, atomically, replacing a file that is there.

    Raises
    ------
    InputError
        If the file system refuses.
    """
    with replacing(path) as partial:
        data.to_netcdf(partial, engine="h5netcdf")


def read_dataset(path: Path) -> xr.Dataset:
    """Return what `write_dataset` wrote, in memory; the file is closed."""
    with xr.open_dataset(path, engine="h5netcdf") as opened:
        return opened.load()

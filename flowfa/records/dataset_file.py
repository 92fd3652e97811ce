"""A data set of xarray as a netCDF4 file, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from flowfa.errors import InputError
from flowfa.files.atomic import reason, replacing
from flowfa.records.attributes import checked_attributes


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
    """Return what `write_dataset` wrote, in memory; the file is closed.

    Raises
    ------
    InputError
        If the file is missing or damaged, or an attribute is not as flowfa writes it.
    """
    # The libraries below report damage by whichever of these errors it happens to cause.
    try:
        with xr.open_dataset(path, engine="h5netcdf") as opened:
            data = opened.load()
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is damaged or incomplete ({reason(error)}): start again with `overwrite=True`"
        ) from error
    data.attrs = checked_attributes(data.attrs, str(path))
    return data

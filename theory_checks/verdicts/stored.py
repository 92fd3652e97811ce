"""Verdicts as a group of a result file (/checks)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import xarray as xr

from flowfa.files.atomic import replacing
from flowfa.records import load
from flowfa.records.checksums import CHECKSUMS, of_group
from theory_checks.verdicts.report import Report

GROUP = "checks"
ROOM = 2**21
"""Most bytes that verdicts and their texts take in the file."""


def store(report: Report, path: str | Path) -> None:
    """Add the group /checks to a result file, atomically; one that is there is replaced.

    Parameters
    ----------
    report : Report
    path : str or Path

    Raises
    ------
    InputError
        If it is no result, or the file system refuses; the file is as it was then.
    """
    load(path, lazy=True).close()  # refuses what is no result
    findings = report.findings

    def numbers(values: list[float | None]) -> np.ndarray:
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

    def texts(values: list[str]) -> np.ndarray:
        return np.array(values, dtype=object)

    verdicts = xr.Dataset(
        {
            "verdict": ("statement", texts([finding.verdict.value for finding in findings])),
            "margin": ("statement", numbers([finding.margin for finding in findings])),
            "uncertainty": ("statement", numbers([finding.uncertainty for finding in findings])),
            "place": ("statement", texts([str(finding.place or "") for finding in findings])),
            "reason": ("statement", texts([finding.reason for finding in findings])),
            "ended": ("statement", texts([str(finding.ended or "") for finding in findings])),
        },
        coords={"statement": texts([finding.spec for finding in findings])},
        attrs={"report": json.dumps(report.to_json_dict())},
    )
    verdicts.attrs[CHECKSUMS] = of_group(
        {str(name): variable.values for name, variable in verdicts.variables.items()},
        verdicts.attrs,
    )
    # The file is copied, because results may be larger than memory and the rest must not change.
    with replacing(Path(path), Path(path).stat().st_size + ROOM) as partial:
        shutil.copyfile(path, partial)
        with h5py.File(partial, "r+") as file:
            if GROUP in file:
                del file[GROUP]
        verdicts.to_netcdf(partial, mode="a", group=GROUP, engine="h5netcdf")

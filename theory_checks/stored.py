"""Verdicts as a group of a result file (/checks)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import xarray as xr

from flowfa.records import load, save_tree
from theory_checks.report import Report


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
    tree = load(path)
    findings = report.findings

    def numbers(values: list[float | None]) -> np.ndarray:
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

    def texts(values: list[str]) -> np.ndarray:
        return np.array(values, dtype=object)

    tree["checks"] = xr.DataTree(
        xr.Dataset(
            {
                "verdict": ("statement", texts([each.verdict.value for each in findings])),
                "margin": ("statement", numbers([each.margin for each in findings])),
                "uncertainty": ("statement", numbers([each.uncertainty for each in findings])),
                "place": ("statement", texts([str(each.place or "") for each in findings])),
            },
            coords={"statement": texts([each.spec for each in findings])},
            attrs={"report": json.dumps(report.to_json_dict())},
        )
    )
    save_tree(tree, path, overwrite=True)

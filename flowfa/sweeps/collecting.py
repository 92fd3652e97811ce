"""One data set of the cells of a sweep: what each ended with, beside its swept settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from flowfa.errors import InputError
from flowfa.records.attributes import SCHEMA
from flowfa.records.collection import KIND
from flowfa.settings import key_of
from flowfa.sweeps.ends import CHECKS, read_end
from flowfa.sweeps.folder import SweepFolder
from flowfa.sweeps.plan import Cell, Plan, shown

DAMAGED = "damaged"
"""The status of a cell whose file cannot be read."""
_TEXTS = {"trajectory_rule": "rule of the trajectory", "ended": "how the trajectory ended"}


def collect(folder: SweepFolder, plan: Plan) -> xr.Dataset:
    """Return what the cells that are done ended with; others are NaN, with their status.

    Parameters
    ----------
    folder : SweepFolder
    plan : Plan

    Returns
    -------
    xarray.Dataset
        Over (cell, trajectory[, layer]): the last finite value of every variable that runs have
        over time; coordinates of ``cell`` are the swept settings. ``status`` is done, failed,
        damaged, running or missing; ``message`` says why a cell failed, or which file is damaged
        and what to do. With verdicts, ``verdict`` and
        ``margin`` are over (cell, statement). A swept setting that is called like a variable, as
        ``loss``, has the coordinate ``swept_loss``.
    """
    running = {cell.digest for cell in folder.being_computed(plan)}
    ends: list[dict[str, Any]] = []
    status, messages = [], []
    for cell in plan.cells:
        failure, damage = folder.failure(cell), ""
        end: dict[str, Any] = {}
        if folder.has(cell):
            try:
                end = read_end(folder.file(cell))
            except InputError as error:
                damage = str(error)
        ends.append(end)
        messages.append(damage or ("" if failure is None else failure["message"]))
        if damage:
            status.append(DAMAGED)
        elif failure is not None:
            status.append("failed")
        elif end:
            status.append("done")
        else:
            status.append("running" if cell.digest in running else "missing")
    variables = {name: _stacked(ends, name) for name in _names(ends)}
    names = {
        name: f"swept_{key_of(name)}" if key_of(name) in variables else key_of(name)
        for name in plan.swept
    }
    data = xr.Dataset(variables, coords=_coordinates(plan.cells, names))
    for name, long_name in _TEXTS.items():
        if name in data:
            data[name].attrs["long_name"] = long_name
    data["status"] = ("cell", _texts(status))
    data["message"] = ("cell", _texts(messages))
    data = data.assign(_verdicts(ends))
    data.attrs = {
        "kind": KIND,
        "schema": SCHEMA,
        "command": plan.command,
        "swept": json.dumps(list(names.values())),
        "fixed": json.dumps({key_of(name): value for name, value in plan.fixed.items()}),
        "code": plan.code,
    }
    return data


def _names(ends: Sequence[Mapping[str, Any]]) -> list[str]:
    return [name for name in dict.fromkeys(name for end in ends for name in end) if name != CHECKS]


def _stacked(ends: Sequence[Mapping[str, Any]], name: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Return a variable of all cells, filled up where a cell is smaller or has none."""
    values = [np.asarray(end[name]) for end in ends if name in end]
    shape = tuple(max(sizes) for sizes in zip(*(v.shape for v in values), strict=True))
    text = values[0].dtype.kind in "OU"
    full = np.full((len(ends), *shape), "" if text else np.nan, dtype=object if text else float)
    for index, end in enumerate(ends):
        if name in end:
            place = (index, *(slice(size) for size in np.shape(end[name])))
            full[place] = end[name]
    dims = ("cell", "trajectory", "layer")[: full.ndim]
    return dims, _texts(full) if text else full


def _texts(values: Any) -> np.ndarray:
    """Return texts of one length, which every format stores without pickling."""
    return np.asarray(values, dtype=np.str_)


def _coordinates(cells: Sequence[Cell], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the swept settings of the cells by their names: numbers where all are, else words."""
    coordinates: dict[str, Any] = {"digest": ("cell", _texts([cell.digest for cell in cells]))}
    for name, called in names.items():
        values = [_single(cell.swept.get(name)) for cell in cells]
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            coordinates[called] = ("cell", np.array(values))
        else:
            words = ["" if value is None else shown(value) for value in values]
            coordinates[called] = ("cell", _texts(words))
    return coordinates


def _single(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) and len(value) == 1 else value


def _verdicts(ends: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return verdicts and margins over (cell, statement); nothing if there are none."""
    checks = [end.get(CHECKS) for end in ends]
    statements = list(
        dict.fromkeys(str(name) for entry in checks if entry for name in entry["statement"])
    )
    if not statements:
        return {}
    verdict = np.full((len(ends), len(statements)), "", dtype=object)
    margin = np.full(verdict.shape, np.nan)
    for row, entry in enumerate(checks):
        if not entry:
            continue
        for statement, word, number in zip(*entry.values(), strict=True):
            column = statements.index(str(statement))
            verdict[row, column], margin[row, column] = str(word), number
    return {
        "verdict": (("cell", "statement"), _texts(verdict)),
        "margin": (("cell", "statement"), margin),
        "statement": ("statement", _texts(statements)),
    }

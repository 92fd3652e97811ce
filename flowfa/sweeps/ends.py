"""What a cell ended with, read from its file: the last values of everything over time."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from flowfa.errors import InputError
from flowfa.files.atomic import reason
from flowfa.files.sizes import physical_memory
from flowfa.records.attributes import check_schema
from flowfa.records.checksums import CHECKSUMS, OF_ATTRIBUTES, of_array
from flowfa.sweeps.commands import DEVIATION

CHECKS = "checks"
_AXES = ("time", "training_time", "step", "trajectory", "layer", "rule", "start")
_OF_SOLVER = ("steps", "rejected", "evaluations")
_RUNS = ("architecture", "rule", "start", "variant")
"""Dimensions of a deviation study along which runs differ."""
_SMALL = 2**20
"""Bytes that every machine has."""
_OF_VARIANTS = ("rate", "momentum", "edge_multiple")


def read_end(path: Path) -> dict[str, Any]:
    """Return what a cell ended with, by name, over (trajectory[, layer]); and its verdicts.

    Everything that is read is compared with its checksum.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    # Read by h5py, because opening a tree of groups takes xarray a hundred times as long.
    try:
        with h5py.File(path, "r") as file:
            check_schema(file.attrs, str(path))
            if DEVIATION in file:
                return _of_deviation(_Group(file, DEVIATION))
            return _of_run(file)
    except (
        *(OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError),
        *(MemoryError, OverflowError, IndexError),
    ) as error:
        raise InputError(
            f"{path} is damaged ({reason(error)}): delete it, and let flowfa sweep resume make it "
            "again"
        ) from error


class _Group:
    """A group of an open file, whose variables are those that were written."""

    def __init__(self, file: h5py.File, name: str) -> None:
        self._group: Any = file[name]
        self._digests = json.loads(self._group.attrs[CHECKSUMS])
        # Below the usual interface of h5py, because that takes several times as long.
        there = {key.decode() for key in self._group.id}
        names = [name for name in self._digests if not name.startswith(OF_ATTRIBUTES)]
        if lost := set(names) - there:
            raise ValueError(f"{min(lost)} is missing")
        self._names = names
        self._opened: dict[str, Any] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def _open(self, name: str) -> Any:
        if name not in self._opened:
            self._opened[name] = h5py.h5d.open(self._group.id, name.encode())
        return self._opened[name]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the variables that hold numbers with a fraction."""
        opened = {name: self._open(name) for name in self._names}
        return {
            name: variable.shape
            for name, variable in opened.items()
            if isinstance(variable.get_type(), h5py.h5t.TypeFloatID)
        }

    def dims(self, name: str) -> tuple[str, ...]:
        """Return the names of the dimensions of a variable."""
        variable = self._open(name)
        if h5py.h5ds.is_scale(variable):
            return (name,)
        return tuple(str(dim[0].name).rsplit("/", 1)[-1] for dim in h5py.Dataset(variable).dims)

    def read(self, name: str) -> np.ndarray:
        """Return the values of a variable, if they are those that were written."""
        variable = self._open(name)
        shape, dtype = variable.shape, variable.dtype
        size = 8 * math.prod(shape)
        # The memory of the machine takes longer to ask for than a small variable to read.
        if size > _SMALL and size > physical_memory():
            raise ValueError(f"{name} asks for {size / 1e9:.3g} GB")
        values: Any
        if h5py.check_string_dtype(dtype) is None:
            values = np.empty(shape, dtype)
            if values.size:
                variable.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
        else:
            values = h5py.Dataset(variable).asstr()[...]
        if of_array(values) != self._digests[name]:
            raise ValueError(f"{name} was changed after it was written")
        return values


def _of_run(file: h5py.File) -> dict[str, Any]:
    trajectory, solver = _Group(file, "trajectory"), _Group(file, "solver")
    saves = len(trajectory.read("time"))
    end: dict[str, Any] = {}
    for name, shape in trajectory.shapes().items():
        if len(shape) < 2 or name in _AXES:
            continue
        if len(shape) > 3 or shape[1] != saves:
            raise ValueError(f"{name} has the shape {shape}")
        end[name] = _last_finite(trajectory.read(name))
    end["trajectory_rule"] = trajectory.read("rule")
    end["ended"] = solver.read("status")
    for name in ("rate", "momentum"):
        if name in trajectory:
            end[f"trajectory_{name}"] = trajectory.read(name)
    end |= {f"solver_{name}": solver.read(name).astype(float) for name in _OF_SOLVER}
    end["t_reached"] = solver.read("t_reached")
    if CHECKS in file:
        checks: Any = file[CHECKS]
        end[CHECKS] = {
            name: checks[name].asstr()[...] if name != "margin" else checks[name][...]
            for name in ("statement", "verdict", "margin")
        }
    return end


def _of_deviation(study: _Group) -> dict[str, Any]:
    """Return the last values of a study; each of its runs counts as a trajectory."""
    sizes = dict(zip(_RUNS, study.read("resolved").shape, strict=False))

    def of_runs(name: str, *inner: str) -> np.ndarray:
        """Return a variable over (run, inner...), repeated along what it does not depend on."""
        values = xr.Variable(study.dims(name), study.read(name))
        whole = {**sizes, **{dim: values.sizes[dim] for dim in inner}}
        return values.set_dims(whole).transpose(*whole).values.reshape(-1, *map(whole.get, inner))

    end: dict[str, Any] = {}
    for name in study.shapes():
        inner = [dim for dim in study.dims(name) if dim not in _RUNS]
        if inner in (["point"], ["point", "layer"]) and name not in _AXES:
            end[name] = _last_finite(of_runs(name, *inner))
    end["trajectory_rule"] = of_runs("rule")
    end["trajectory_architecture"] = of_runs("architecture")
    end |= {f"trajectory_{name}": of_runs(name) for name in _OF_VARIANTS}
    end["edge"] = of_runs("edge")
    end["ended"] = of_runs("flow_status")
    end["t_reached"] = of_runs("flow_reached")
    return end


def _last_finite(values: np.ndarray) -> np.ndarray:
    """Return the last finite value along the times, the second dimension; NaN if there is none."""
    finite = np.isfinite(values)
    last = values.shape[1] - 1 - np.argmax(finite[:, ::-1], axis=1)
    taken = np.take_along_axis(values, np.expand_dims(last, 1), axis=1).squeeze(1)
    return np.where(finite.any(axis=1), taken, np.nan)

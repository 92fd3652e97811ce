"""Rows put into the variables of a result, by the same code in memory and on disk."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowfa.errors import InputError
from flowfa.records.layout import RecordLayout
from flowfa.records.names import SOLVER, Kind
from flowfa.records.recorder import Chunk, Recorder
from flowfa.records.schema import Variable

Key = tuple[str, str]
"""Group and name of a variable."""

FILL: dict[Kind, Any] = {"float64": np.nan, "int64": -1, "int8": 0, "text": ""}
"""The value where nothing was recorded."""


@dataclass(frozen=True)
class Box:
    """A rectangle of (trajectory, column) places and the rows of a chunk that go into it."""

    places: tuple[slice, slice]
    inside: tuple[np.ndarray, np.ndarray]
    rows: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Trajectories and columns it spans."""
        trajectories, columns = self.places
        return trajectories.stop - trajectories.start, columns.stop - columns.start


def constant_values(
    layout: RecordLayout,
    feedback: Mapping[str, np.ndarray],
    data: Mapping[str, np.ndarray],
    solver: Mapping[str, np.ndarray],
) -> dict[Key, np.ndarray]:
    """Return the variables that are known as a whole: all but the recorded rows.

    Parameters
    ----------
    layout : RecordLayout
    feedback : dict
        Every matrix of `RecordLayout.feedback`, (trajectory, ...), NaN where a rule keeps none.
    data : dict
        ``X`` and ``y``.
    solver : dict
        Variables of /solver, (trajectory,); the fill value stands for those left out.

    Raises
    ------
    ValueError
        If a name is unknown or a matrix is missing.
    """
    if feedback.keys() != layout.feedback.keys():
        raise ValueError(f"expected {sorted(layout.feedback)}, got {sorted(feedback)}")
    if unknown := solver.keys() - SOLVER.keys():
        raise ValueError(f"the solver cannot have {sorted(unknown)}, only {sorted(SOLVER)}")
    trajectory = np.arange(layout.trajectories)
    constants: dict[Key, np.ndarray] = {
        (group, "trajectory"): trajectory
        for group in ("trajectory", "weights", "neurons", "solver")
    }
    constants |= {(group, "time"): layout.save_times for group in ("trajectory", "neurons")}
    constants["trajectory", "layer"] = np.arange(1, layout.layers + 1)
    constants["trajectory", "rule"] = np.array(layout.rules, dtype=object)
    constants["trajectory", "start"] = layout.starts
    if layout.training is not None:
        constants["trajectory", "rate"] = layout.training.rate
        constants["trajectory", "momentum"] = layout.training.momentum
        constants["trajectory", "step"] = layout.training.steps
        constants["trajectory", "training_time"] = layout.training.times
    constants["neurons", "layer"] = layout.neuron_layer
    constants["neurons", "index"] = layout.neuron_index
    constants |= {("weights", name): matrix for name, matrix in feedback.items()}
    constants |= {("data", name): array for name, array in data.items()}
    for name, (kind, _) in SOLVER.items():
        constants["solver", name] = solver.get(
            name, np.full(layout.trajectories, FILL[kind], dtype=memory_type(kind))
        )
    return constants


def memory_type(kind: Kind) -> type:
    """Return the NumPy type that holds a kind of variable in memory."""
    return {"float64": np.float64, "int64": np.int64, "int8": np.int8, "text": object}[kind]


def fill(
    layout: RecordLayout,
    recorder: Recorder,
    constant: Mapping[Key, np.ndarray],
    targets: Mapping[Key, Any],
) -> None:
    """Write everything into variables that hold their fill values, chunk by chunk.

    Parameters
    ----------
    layout : RecordLayout
    recorder : Recorder
    constant : dict
        What `constant_values` returns.
    targets : dict
        Every variable of the result, an array in memory or a variable of a file: something that
        is read and written in rectangular parts. Memory is needed for about three chunks.

    Raises
    ------
    InputError
        If a save time that a trajectory has reached is not in the record.
    """
    for key, array in constant.items():
        targets[key][...] = array
    snapshot_time = np.full((layout.trajectories, len(layout.snapshot_columns)), np.nan)
    kappa = np.full((layout.trajectories, len(layout.neuron_layer)), np.nan)
    saved = np.zeros((layout.trajectories, layout.saves), dtype=bool)
    for chunk in recorder.chunks():
        if "row/save" in chunk:
            saved[chunk["row/trajectory"], chunk["row/save"]] = True
            _place_rows(chunk, "row", "save", layout.row_shapes, targets)
            at_start = chunk["row/save"] == 0
            kappa[chunk["row/trajectory"][at_start]] = -chunk["row/conserved"][at_start]
        if "snapshot/column" in chunk:
            _place_rows(chunk, "snapshot", "column", layout.weights, targets)
            cells = chunk["snapshot/trajectory"], chunk["snapshot/column"]
            snapshot_time[cells] = chunk["snapshot/time"]
    _check_complete(layout, constant, saved, np.isfinite(snapshot_time))
    targets["weights", "snapshot_time"][...] = snapshot_time
    targets["neurons", "kappa"][...] = kappa


def _check_complete(
    layout: RecordLayout,
    constant: Mapping[Key, np.ndarray],
    saved: np.ndarray,
    kept: np.ndarray,
) -> None:
    """Refuse a record that lacks a save time which its trajectory has reached.

    Parameters
    ----------
    layout : RecordLayout
    constant : dict
        What `constant_values` returns.
    saved, kept : numpy.ndarray
        Whether there are a row, (trajectory, save), and weights, (trajectory, snapshot).
    """
    times = layout.times_of_trajectories
    reached = times < constant["solver", "t_reached"][:, None]
    reached |= (constant["solver", "status"] == "ok")[:, None]
    reached[:, 0] = True
    columns = list(layout.snapshot_columns)
    missing = reached & ~saved
    missing[:, columns] |= reached[:, columns] & ~kept
    if not missing.any():
        return
    trajectory, save = (int(index) for index in np.argwhere(missing)[0])
    raise InputError(
        f"the record lacks {missing.sum()} of {reached.sum()} saved states that were reached, the "
        f"first that of trajectory {trajectory} at t = {times[trajectory, save]:g}: another "
        "process has changed the checkpoint, so start again with `overwrite=True`"
    )


def allocate(variables: list[Variable]) -> dict[Key, np.ndarray]:
    """Return arrays in memory that hold the fill values."""
    return {
        (variable.group, variable.name): np.full(
            variable.shape, FILL[variable.kind], dtype=memory_type(variable.kind)
        )
        for variable in variables
    }


def boxes(trajectory: np.ndarray, column: np.ndarray) -> list[Box]:
    """Cover scattered places by few rectangles, at least half of each being used.

    A rectangle is one operation on a file, while thousands of single rows are thousands. Where a
    place occurs twice, its last row counts.

    Parameters
    ----------
    trajectory, column : numpy.ndarray
        Place of each row, (row,).
    """
    order = np.lexsort((column, trajectory))
    sorted_trajectory, sorted_column = trajectory[order], column[order]
    moved, step = np.diff(sorted_trajectory), np.diff(sorted_column)
    last_of_place = np.append((moved != 0) | (step != 0), True)
    order = order[last_of_place]
    sorted_trajectory, sorted_column = trajectory[order], column[order]
    # Runs: consecutive columns of one trajectory.
    breaks = (np.diff(sorted_trajectory) != 0) | (np.diff(sorted_column) != 1)
    starts = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(order)]
    rows = list(zip(sorted_trajectory.tolist(), sorted_column.tolist(), strict=True))
    covering: list[Box] = []
    box_start, low, high = 0, rows[0][1], rows[0][1]
    for start, stop in itertools.pairwise(starts):
        wide_low, wide_high = min(low, rows[start][1]), max(high, rows[stop - 1][1])
        area = (rows[start][0] - rows[box_start][0] + 1) * (wide_high - wide_low + 1)
        if area <= 2 * (stop - box_start):
            low, high = wide_low, wide_high
        else:
            covering.append(_box(trajectory, column, order[box_start:start], low, high))
            box_start, low, high = start, rows[start][1], rows[stop - 1][1]
    covering.append(_box(trajectory, column, order[box_start:], low, high))
    return covering


def _box(trajectory: np.ndarray, column: np.ndarray, rows: np.ndarray, low: int, high: int) -> Box:
    first, last = int(trajectory[rows[0]]), int(trajectory[rows[-1]])
    slices = slice(first, last + 1), slice(low, high + 1)
    return Box(slices, (trajectory[rows] - first, column[rows] - low), rows)


def _place_rows(
    chunk: Chunk,
    kind: str,
    column: str,
    names: Mapping[str, Any],
    targets: Mapping[Key, Any],
) -> None:
    rectangles = boxes(chunk[f"{kind}/trajectory"], chunk[f"{kind}/{column}"])
    groups = {name: group for group, name in targets}
    for name in names:
        target = targets[groups[name], name]
        values = chunk[f"{kind}/{name}"]
        for box in rectangles:
            values_of_box = values[box.rows]
            if len(box.rows) == box.shape[0] * box.shape[1]:
                # The box is full, and its rows are sorted by place.
                target[box.places] = values_of_box.reshape(box.shape + values.shape[1:])
                continue
            # The box has gaps, whose stored values stay.
            stored = target[box.places]
            stored[box.inside] = values_of_box
            target[box.places] = stored

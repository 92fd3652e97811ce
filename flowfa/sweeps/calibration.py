"""What a sweep will take, from one cell of each shape that is begun on this machine."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from flowfa.errors import InputError
from flowfa.studies.progress import ProgressState
from flowfa.sweeps.commands import record
from flowfa.sweeps.plan import Cell, Plan

LONGEST = 3.0
"""Seconds after which a cell that is tried is left, and its time extrapolated."""
MOST_SHAPES = 8
"""Shapes that are tried; others are taken to be like the mean of those."""
BATCH_SECONDS = 60.0
"""About how long a batch takes."""
MOST_IN_BATCH = 100
_SHAPE = (
    *("width", "samples", "dim", "trajectories", "rule", "dataset", "t_end", "steps", "save"),
    *("widths", "rates", "momenta", "points"),
)


@dataclass(frozen=True)
class Estimate:
    """What a sweep will take.

    Attributes
    ----------
    cells : int
    shapes : int
        Kinds of cells of one shape.
    seconds : float
        Of computing all cells one after the other.
    megabytes : float
        Memory of one process.
    """

    cells: int
    shapes: int
    seconds: float
    megabytes: float

    @property
    def seconds_of_cell(self) -> float:
        """Mean time of a cell."""
        return self.seconds / max(1, self.cells)


class _Enough(Exception):
    """The time of a trial is over."""


class _Watch:
    def __init__(self) -> None:
        self.start, self.share = time.perf_counter(), 0.0

    def update(self, state: ProgressState) -> None:
        self.share = state.share
        if time.perf_counter() - self.start > LONGEST and state.share > 0.0:
            raise _Enough

    def close(self) -> None:
        """There is nothing to close."""


def batches(
    plan: Plan, cells: list[Cell], seconds_of_cell: float | None = None, shares: int | None = None
) -> list[list[Cell]]:
    """Return cells in batches of one shape.

    Parameters
    ----------
    plan : Plan
    cells : list of Cell
        Of the plan.
    seconds_of_cell : float, optional
        With it a batch takes about a minute.
    shares : int, optional
        Batches that there should be at least, if there are as many cells.
    """
    size = MOST_IN_BATCH
    if seconds_of_cell is not None:
        size = min(size, round(BATCH_SECONDS / max(seconds_of_cell, 1e-3)))
    if shares is not None:
        size = min(size, len(cells) // shares)
    size = max(size, 1)
    by_shape: dict[Any, list[Cell]] = {}
    for cell in cells:
        by_shape.setdefault(shape_of(plan, cell), []).append(cell)
    return [
        alike[start : start + size]
        for alike in by_shape.values()
        for start in range(0, len(alike), size)
    ]


def shape_of(plan: Plan, cell: Cell) -> tuple[Any, ...]:
    """Return what decides how long a cell takes and how much memory, as far as settings tell."""
    values = {**plan.fixed, **cell.swept}
    return tuple(
        len(value) if name == "rule" and (value := values.get(name)) else values.get(name)
        for name in _SHAPE
    )


def calibrate(plan: Plan, cells: Sequence[Cell] | None = None) -> Estimate:
    """Try a cell of each shape for some seconds, and return what all will take.

    Parameters
    ----------
    plan : Plan
    cells : sequence of Cell, optional
        Those of the plan that can begin, at least one; all by default.

    Raises
    ------
    InputError
        If a cell that is tried cannot be computed.
    """
    cells = plan.cells if cells is None else cells
    by_shape: dict[Any, list[Cell]] = {}
    for cell in cells:
        by_shape.setdefault(shape_of(plan, cell), []).append(cell)
    groups = list(by_shape.values())
    tried = groups[:: max(1, len(groups) // MOST_SHAPES)][:MOST_SHAPES]
    # The first run also loads code and compiles, which the others do not.
    _seconds(plan, tried[0][0])
    times = [_seconds(plan, group[0]) for group in tried]
    counted = sum(len(group) for group in tried)
    seconds = sum(t * len(group) for t, group in zip(times, tried, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    return Estimate(len(plan.cells), len(groups), seconds * len(cells) / counted, peak)


def _seconds(plan: Plan, cell: Cell) -> float:
    watch = _Watch()
    try:
        with tempfile.TemporaryDirectory() as folder:
            record(plan.settings_of(cell), Path(folder) / "cell", progress=watch)
    except _Enough:
        return (time.perf_counter() - watch.start) / watch.share
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise InputError(
            f"the cell {cell.title} takes more memory than there is: sweep over smaller widths, "
            "numbers of samples or trajectories"
        ) from error
    except InputError as error:
        raise InputError(f"the cell {cell.title}: {error}") from error
    return time.perf_counter() - watch.start

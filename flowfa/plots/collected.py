"""What a phase diagram is drawn of: one number for each trajectory of each cell of a collection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from flowfa.errors import InputError
from flowfa.registry import unknown_name

DEFAULTS = ("alignment", "law_error", "loss")
"""What is drawn if nothing is named: the first of these that the collection has."""
MARGIN, VERDICT = "margin", "verdict"
HOLDS, VIOLATED = "holds", "violated"
NONE_DONE = "no cell of this collection is done: collect the sweep again when some are"


@dataclass(frozen=True)
class Sample:
    """The values of a variable, one for each trajectory of each cell.

    Attributes
    ----------
    values : numpy.ndarray
        (row,), NaN where a cell has no result.
    rules : numpy.ndarray
        Rule of each, (row,).
    settings : dict
        The swept settings of each, (row,).
    label : str
        What it is, in words.
    plain_label : str
        The same without the ID of a statement.
    share : bool
        Whether what counts of several values is their mean, as of shares, and not their median.
    of_cells : bool
        Whether all trajectories of a cell have the same.
    marked : numpy.ndarray
        Where a statement is violated, (row,).
    """

    values: np.ndarray
    rules: np.ndarray
    settings: dict[str, np.ndarray]
    label: str
    plain_label: str
    share: bool
    of_cells: bool
    marked: np.ndarray

    @property
    def drawable(self) -> bool:
        """Whether there is any number."""
        return bool(np.isfinite(self.values).any())

    def summary(self, rows: np.ndarray) -> np.ndarray:
        """Return lower quartile, median and upper quartile of rows; of shares thrice the mean."""
        values = self.values[rows]
        values = values[np.isfinite(values)]
        if not len(values):
            return np.full(3, np.nan)
        return np.full(3, values.mean()) if self.share else np.quantile(values, (0.25, 0.5, 0.75))


def sample_of(collection: xr.Dataset, variable: str | None, swept: Sequence[str]) -> Sample:
    """Return a variable as one value for each trajectory of each cell, with its settings.

    Parameters
    ----------
    collection : xarray.Dataset
        As `flowfa.sweeps.collect` returns it.
    variable : str or None
        A final observable; or ``margin:STATEMENT`` or ``verdict:STATEMENT``, which each trajectory
        has of its cell. None for the first of `DEFAULTS` that there is.
    swept : sequence of str
        The swept settings.

    Raises
    ------
    InputError
        If there is no such variable or statement, or no cell is done.
    """
    names = [
        str(name)
        for name, data in collection.data_vars.items()
        if data.dims[:2] == ("cell", "trajectory") and data.dtype.kind == "f"
    ]
    if not names:
        raise InputError(NONE_DONE)
    if variable is None:
        variable = next((name for name in DEFAULTS if name in names), names[0])
    kind, colon, statement = variable.partition(":")
    if kind in (MARGIN, VERDICT) and kind not in names:
        return _of_statement(collection, kind, statement if colon else None, swept)
    if variable not in names:
        raise unknown_name("variable of the collection", variable, names)
    values = np.asarray(collection[variable].values, dtype=np.float64)
    label = f"final {variable}"
    if values.ndim == 3:
        values, layers = _last_layer(values)
        label += f" of layer {layers[0]}" if len(layers) == 1 else ", last layer with a value"
    return _sample(collection, values, swept, label, label)


def _of_statement(
    collection: xr.Dataset, kind: str, statement: str | None, swept: Sequence[str]
) -> Sample:
    """Return the margin of a statement in each cell, or whether it holds there."""
    if "statement" not in collection:
        raise InputError(
            "this collection has no verdicts: compute the sweep with `check`, and collect it again"
        )
    statements = [str(name) for name in collection["statement"].values]
    if statement not in statements:
        if statement:
            raise unknown_name("statement of the collection", statement, statements)
        raise InputError(
            f"`panel` is {kind}, which is of a statement: give {kind}:{statements[0]}, or another "
            f"of {', '.join(statements)}"
        )
    column = statements.index(statement)
    words = collection[VERDICT].values[:, column].astype(str)
    if kind == MARGIN:
        of_cell = np.asarray(collection[MARGIN].values[:, column], dtype=np.float64)
        label, plain = f"margin of {statement}", "margin"
    else:
        of_cell = np.where(words == "", np.nan, (words == HOLDS).astype(np.float64))
        label, plain = f"share of cells where {statement} holds", "share of cells where it holds"
    # A verdict is on all of a cell: each of its trajectories has it.
    there = collection["trajectory_rule"].values.astype(str) != ""
    values = np.where(there, of_cell[:, None], np.nan)
    marked = there & (words == VIOLATED)[:, None]
    return _sample(collection, values, swept, label, plain, kind == VERDICT, marked)


def _sample(
    collection: xr.Dataset,
    values: np.ndarray,
    swept: Sequence[str],
    label: str,
    plain_label: str,
    share: bool = False,
    marked: np.ndarray | None = None,
) -> Sample:
    trajectories = values.shape[1]
    return Sample(
        values=values.ravel(),
        rules=collection["trajectory_rule"].values.astype(str).ravel(),
        settings={name: np.repeat(collection[name].values, trajectories) for name in swept},
        label=label,
        plain_label=plain_label,
        share=share,
        of_cells=marked is not None,
        marked=np.zeros(values.size, dtype=bool) if marked is None else marked.ravel(),
    )


def _last_layer(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the value of the last layer that has one, (cell, trajectory), and which these are."""
    finite = np.isfinite(values)
    last = values.shape[2] - 1 - np.argmax(finite[:, :, ::-1], axis=2)
    layers = np.unique(last[finite.any(axis=2)]) + 1
    return np.take_along_axis(values, last[:, :, None], axis=2)[:, :, 0], layers

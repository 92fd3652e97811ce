"""Phase diagrams of a sweep: how runs end, over one or two of the settings that were swept over."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from flowfa.errors import InputError
from flowfa.plots.shown import ShownFigure
from flowfa.plots.style import PANEL_HEIGHT, PANEL_WIDTH, SETTINGS, rule_lines, rule_styles
from flowfa.registry import unknown_name

POOLED = ("seed",)
"""Settings that are never an axis unless asked for: runs differ by chance along them."""
MOST_AXES = 2
_RULE = "rule"


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
    """

    values: np.ndarray
    rules: np.ndarray
    settings: dict[str, np.ndarray]


def phase_diagram(
    collection: xr.Dataset, variable: str = "alignment", over: Sequence[str] | None = None
) -> Figure:
    """Draw how runs end over one setting as curves, or over two as a heat map for each rule.

    Parameters
    ----------
    collection : xarray.Dataset
        As `flowfa.sweeps.collect` returns it.
    variable : str
        A final observable, such as ``"alignment"`` or ``"loss"``; of one that has a value for each
        layer, the last layer that has one counts.
    over : sequence of str, optional
        One or two swept settings; by default those that were swept over, without seed and rule.

    Returns
    -------
    matplotlib.figure.Figure
        Medians over trajectories, seeds and all other settings; with curves their quartiles too.
        Where a heat map has no value, no cell is done.

    Raises
    ------
    InputError
        If the collection has no such variable or setting, or there are too many of them.
    """
    swept = [str(name) for name in json.loads(collection.attrs["swept"])]
    axes_names = _axes_of(collection, swept, over)
    sample = sample_of(collection, variable, swept)
    rules = [rule for rule in dict.fromkeys(sample.rules.tolist()) if rule]
    if not rules or not np.isfinite(sample.values).any():
        raise InputError("no cell of this collection has a result yet: collect it again later")
    pooled = [name for name in swept if name not in (*axes_names, _RULE)]
    title = "median over trajectories" + "".join(f", {name}" for name in pooled)
    with mpl.rc_context(SETTINGS):
        if len(axes_names) == 1:
            return _curves(sample, rules, axes_names[0], variable, title)
        return _heat_maps(sample, rules, axes_names, variable, title)


def sample_of(collection: xr.Dataset, variable: str, swept: Sequence[str]) -> Sample:
    """Return a variable as one value for each trajectory of each cell, with its settings."""
    names = [
        str(name)
        for name, data in collection.data_vars.items()
        if data.dims[:2] == ("cell", "trajectory") and data.dtype.kind == "f"
    ]
    if variable not in names:
        raise unknown_name("variable of the collection", variable, names)
    values = np.asarray(collection[variable].values, dtype=np.float64)
    if values.ndim == 3:
        values = _last_layer(values)
    cells, trajectories = values.shape
    return Sample(
        values=values.ravel(),
        rules=collection["trajectory_rule"].values.astype(str).ravel(),
        settings={
            name: np.repeat(collection[name].values, trajectories) for name in swept if cells
        },
    )


def _last_layer(values: np.ndarray) -> np.ndarray:
    """Return the value of the last layer that has one, (cell, trajectory)."""
    finite = np.isfinite(values)
    last = values.shape[2] - 1 - np.argmax(finite[:, :, ::-1], axis=2)
    return np.take_along_axis(values, last[:, :, None], axis=2)[:, :, 0]


def _axes_of(
    collection: xr.Dataset, swept: Sequence[str], over: Sequence[str] | None
) -> tuple[str, ...]:
    for name in over or ():
        if name not in swept:
            raise unknown_name("swept setting", name, swept)
    if over:
        chosen = tuple(dict.fromkeys(over))
    else:
        varying = [name for name in swept if len(np.unique(collection[name].values)) > 1]
        chosen = tuple(name for name in varying if name not in (*POOLED, _RULE))
        chosen = chosen or tuple(name for name in varying if name != _RULE)
    if not 1 <= len(chosen) <= MOST_AXES:
        raise InputError(
            f"{len(chosen)} settings were swept over ({', '.join(chosen) or 'none but the rule'}): "
            "give one or two of them as `over`"
        )
    return chosen


def _curves(sample: Sample, rules: list[str], over: str, variable: str, title: str) -> Figure:
    figure = ShownFigure(figsize=(1.6 * PANEL_WIDTH, 1.5 * PANEL_HEIGHT), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    points = np.unique(sample.settings[over])
    places, numeric = _places(points)
    for rule, style in rule_styles(rules).items():
        quartiles = np.array(
            [
                _quartiles(sample, (sample.rules == rule) & (sample.settings[over] == point))
                for point in points
            ]
        )
        axes.fill_between(places, quartiles[:, 0], quartiles[:, 2], color=style.color, alpha=0.18)
        axes.plot(
            places, quartiles[:, 1], color=style.color, linestyle=style.dashes, marker=".", gid=rule
        )
    if not numeric:
        axes.set_xticks(places, [str(point) for point in points])
    axes.set_xlabel(over)
    axes.set_ylabel(f"final {variable}")
    axes.set_title(f"{title}; band: quartiles")
    axes.legend(handles=rule_lines(rules), frameon=False)
    return figure


def _heat_maps(
    sample: Sample, rules: list[str], over: tuple[str, ...], variable: str, title: str
) -> Figure:
    figure = ShownFigure(
        figsize=(1.15 * PANEL_WIDTH * len(rules) + 0.9, 1.5 * PANEL_HEIGHT), layout="constrained"
    )
    FigureCanvasAgg(figure)
    across, up = (np.unique(sample.settings[name]) for name in over)
    maps = {}
    for rule in rules:
        of_rule = sample.rules == rule
        maps[rule] = np.array(
            [
                [
                    _quartiles(
                        sample,
                        of_rule & (sample.settings[over[0]] == x) & (sample.settings[over[1]] == y),
                    )[1]
                    for x in across
                ]
                for y in up
            ]
        )
    finite = np.concatenate([values[np.isfinite(values)] for values in maps.values()])
    norm = Normalize(finite.min(), finite.max())
    panels: list[Axes] = []
    mesh: Any = None
    for index, rule in enumerate(rules):
        axes = figure.add_subplot(1, len(rules), index + 1)
        axes.grid(visible=False)
        axes.set_facecolor("#BBBBBB")
        mesh = axes.pcolormesh(np.ma.masked_invalid(maps[rule]), cmap="viridis", norm=norm)
        mesh.set_gid(rule)
        axes.set_xticks(np.arange(len(across)) + 0.5, [_short(value) for value in across])
        axes.set_yticks(np.arange(len(up)) + 0.5, [_short(value) for value in up])
        axes.set_xlabel(over[0])
        axes.set_ylabel(over[1] if index == 0 else "")
        axes.set_title(rule)
        panels.append(axes)
    figure.colorbar(mesh, ax=panels, label=f"final {variable}")
    figure.suptitle(title)
    return figure


def _quartiles(sample: Sample, rows: np.ndarray) -> np.ndarray:
    values = sample.values[rows & np.isfinite(sample.values)]
    return np.full(3, np.nan) if not len(values) else np.quantile(values, (0.25, 0.5, 0.75))


def _places(points: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return where values are on an axis: numbers at themselves, words side by side."""
    numeric = points.dtype.kind in "fiu"
    return (points if numeric else np.arange(len(points))), numeric


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)

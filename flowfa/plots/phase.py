"""Phase diagrams of a sweep: how runs end, over one or two of the settings that were swept over."""

from __future__ import annotations

import json
import math
import string
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from flowfa.errors import InputError
from flowfa.plots.collected import NONE_DONE, Sample, sample_of
from flowfa.plots.shown import ShownFigure
from flowfa.plots.style import (
    COLUMN,
    PAGE,
    PANEL_HEIGHT,
    PANEL_WIDTH,
    PAPER_SETTINGS,
    SETTINGS,
    STYLES,
    rule_lines,
    rule_styles,
)
from flowfa.plots.ticks import label_ticks
from flowfa.registry import unknown_name

POOLED = ("seed",)
"""Settings that are never an axis unless asked for: runs differ by chance along them."""
MOST_AXES = 2
_RULE = "rule"
_MOST_BESIDE = 3
"""Heat maps side by side on a page of a journal."""


def phase_diagram(
    collection: xr.Dataset,
    variable: str | None = None,
    over: Sequence[str] | None = None,
    style: str = "screen",
) -> Figure:
    """Draw how runs end over one setting as curves, or over two as a heat map for each rule.

    Parameters
    ----------
    collection : xarray.Dataset
        As `flowfa.sweeps.collect` returns it.
    variable : str, optional
        A final observable, such as ``"alignment"`` or ``"loss"``; of one that has a value for each
        layer, the last layer that has one counts. Of a sweep with verdicts ``"margin:C-1"``, or
        ``"verdict:C-1"`` for the share of cells where the statement holds (crosses: it is violated
        in some). By default alignment, or where there is none, the deviation from the laws.
    over : sequence of str, optional
        One or two swept settings; by default those that were swept over, without seed and rule.
    style : {"screen", "paper"}
        For a paper: no titles and no IDs, at the width of a column or a page.

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
    if style not in STYLES:
        raise unknown_name("style", style, STYLES)
    swept = [str(name) for name in json.loads(collection.attrs["swept"])]
    axes_names = _axes_of(collection, swept, over)
    sample = sample_of(collection, variable, swept)
    rules = [rule for rule in dict.fromkeys(sample.rules.tolist()) if rule]
    if not rules:
        raise InputError(NONE_DONE)
    if not sample.drawable:
        raise InputError(f"{sample.label}: no cell that is done has one, so draw another `panel`")
    pooled = [name for name in swept if name not in (*axes_names, _RULE)]
    mean = "mean" if sample.share else "median"
    on_paper = style == "paper"
    pool = "cells" if sample.of_cells else "trajectories"
    title = f"{mean} over {pool}" + "".join(f", {name}" for name in pooled)
    labels = (sample.plain_label, "") if on_paper else (sample.label, title)
    with mpl.rc_context(PAPER_SETTINGS if on_paper else SETTINGS):
        if len(axes_names) == 1:
            return _curves(sample, rules, axes_names[0], labels, on_paper)
        return _heat_maps(sample, rules, axes_names, labels, on_paper)


def _axes_of(
    collection: xr.Dataset, swept: Sequence[str], over: Sequence[str] | None
) -> tuple[str, ...]:
    for name in over or ():
        if name not in swept:
            raise unknown_name("swept setting", name, swept)
        if list(over or ()).count(name) > 1:
            raise InputError(f"`over` names {name} twice: give one setting, or two that differ")
    if over:
        chosen = tuple(over)
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


def _curves(
    sample: Sample, rules: list[str], over: str, labels: tuple[str, str], on_paper: bool
) -> Figure:
    size = (COLUMN, 0.78 * COLUMN) if on_paper else (1.6 * PANEL_WIDTH, 1.5 * PANEL_HEIGHT)
    figure = ShownFigure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    points = np.unique(sample.settings[over])
    numeric = points.dtype.kind in "fiu"
    places = points if numeric else np.arange(len(points))
    for rule, style in rule_styles(rules).items():
        quartiles = np.array(
            [
                sample.summary((sample.rules == rule) & (sample.settings[over] == point))
                for point in points
            ]
        )
        if not sample.share:
            axes.fill_between(
                places, quartiles[:, 0], quartiles[:, 2], color=style.color, alpha=0.18
            )
        axes.plot(
            places, quartiles[:, 1], color=style.color, linestyle=style.dashes, marker=".", gid=rule
        )
    if not numeric:
        label_ticks(axes, "x", places, points)
    label, title = labels
    axes.set_xlabel(over)
    axes.set_ylabel(label)
    if title:
        axes.set_title(title if sample.share else f"{title}; band: quartiles")
    axes.legend(handles=rule_lines(rules), frameon=False)
    return figure


def _heat_maps(
    sample: Sample, rules: list[str], over: tuple[str, ...], labels: tuple[str, str], on_paper: bool
) -> Figure:
    columns = min(len(rules), _MOST_BESIDE) if on_paper else len(rules)
    lines = math.ceil(len(rules) / columns)
    figure = ShownFigure(figsize=_size(columns, lines, on_paper), layout="constrained")
    FigureCanvasAgg(figure)
    across, column = np.unique(sample.settings[over[0]], return_inverse=True)
    up, row = np.unique(sample.settings[over[1]], return_inverse=True)
    places = {rule: _rows_of(sample.rules == rule, row * len(across) + column) for rule in rules}
    shape, maps = (len(up), len(across)), {}
    for rule, there in places.items():
        maps[rule] = np.full(shape, np.nan)
        for place, rows in there.items():
            maps[rule].flat[place] = sample.summary(rows)[1]
    finite = np.concatenate([values[np.isfinite(values)] for values in maps.values()])
    norm = Normalize(0.0, 1.0) if sample.share else Normalize(finite.min(), finite.max())
    panels: list[Axes] = []
    mesh: Any = None
    for index, rule in enumerate(rules):
        axes = figure.add_subplot(lines, columns, index + 1)
        axes.grid(visible=False)
        axes.set_facecolor("#BBBBBB")
        mesh = axes.pcolormesh(np.ma.masked_invalid(maps[rule]), cmap="viridis", norm=norm)
        mesh.set_gid(rule)
        label_ticks(axes, "x", np.arange(len(across)) + 0.5, across)
        label_ticks(axes, "y", np.arange(len(up)) + 0.5, up)
        axes.set_xlabel(over[0])
        axes.set_ylabel(over[1] if index % columns == 0 else "")
        tag = f"({string.ascii_lowercase[index % 26]}) " if on_paper and len(rules) > 1 else ""
        axes.set_title(f"{tag}{rule}", loc="left" if on_paper else "center")
        violated = [place for place, rows in places[rule].items() if sample.marked[rows].any()]
        if violated:
            y, x = np.unravel_index(violated, shape)
            axes.plot(x + 0.5, y + 0.5, "x", color="#D55E00", markeredgewidth=1.6, gid="violated")
        panels.append(axes)
    label, title = labels
    figure.colorbar(mesh, ax=panels, label=label)
    figure.suptitle(title)
    return figure


def _rows_of(chosen: np.ndarray, place: np.ndarray) -> dict[int, np.ndarray]:
    """Return the chosen rows of each place that has any."""
    rows = np.flatnonzero(chosen)
    rows = rows[np.argsort(place[rows], kind="stable")]
    found, start = np.unique(place[rows], return_index=True)
    return dict(zip(found.tolist(), np.split(rows, start[1:]), strict=True))


def _size(columns: int, rows: int, on_paper: bool) -> tuple[float, float]:
    """Return width and height of heat maps in inches."""
    if on_paper:
        width = COLUMN if columns == 1 else PAGE
        return width, 0.9 * min(width / columns, COLUMN) * rows + 0.4
    return 1.15 * PANEL_WIDTH * columns + 0.9, 1.5 * PANEL_HEIGHT * rows

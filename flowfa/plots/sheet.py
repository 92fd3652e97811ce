"""A figure of panels with one title and one legend, outside of the panels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from flowfa.errors import InputError
from flowfa.plots.curves import group, read_curves, rules_of
from flowfa.plots.panel import FEW_TRAJECTORIES
from flowfa.plots.style import (
    BOUND_DASHES,
    PANEL_HEIGHT,
    PANEL_WIDTH,
    SETTINGS,
    rule_lines,
)

Draw = Callable[[Axes], None]


def draw_sheet(tree: xr.DataTree, rows: Sequence[Sequence[Draw]]) -> Figure:
    """Lay out panels in rows, draw them, and add the title and the legend.

    Parameters
    ----------
    tree : xarray.DataTree
        The result that the panels show.
    rows : sequence of sequences of callables
        Each draws into the Axes it is given.

    Returns
    -------
    matplotlib.figure.Figure
        With a canvas of its own; pyplot does not know it.

    Raises
    ------
    InputError
        If there is no panel to draw.
    """
    columns = max((len(row) for row in rows), default=0)
    if columns == 0:
        raise InputError("these records hold nothing for this figure: no layer has the quantity")
    with mpl.rc_context(SETTINGS):
        size = (PANEL_WIDTH * max(columns, 2), PANEL_HEIGHT * len(rows) + 0.75)
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(len(rows), columns)
        for i, row in enumerate(rows):
            for j, draw in enumerate(row):
                draw(figure.add_subplot(grid[i, j]))
        figure.suptitle(_title(tree))
        _add_legend(figure, _legend_entries(tree, figure))
    return figure


def _title(tree: xr.DataTree) -> str:
    """Name the network and how many trajectories are shown."""
    counts = sorted({len(series.values) for series in read_curves(tree, "loss")})
    each_rule = " to ".join(str(count) for count in {counts[0]: 0, counts[-1]: 0})
    noun = "trajectory" if counts[-1] == 1 else "trajectories"
    title = f"{each_rule} {noun} per rule"
    if "weights" not in tree.children:
        return title
    weights = group(tree, "weights")
    layers = sum(str(name).startswith("W") for name in weights.data_vars)
    shapes = [weights[f"W{layer}"].shape[-2:] for layer in range(1, layers + 1)]
    widths = [shapes[0][1], *(shape[0] for shape in shapes)]
    return f"Network {'-'.join(map(str, widths))}, {title}"


def _add_legend(figure: Figure, entries: Sequence[Artist]) -> None:
    """Put the legend below the panels, in as few rows as the width of the figure allows."""
    for columns in range(len(entries), 0, -1):
        legend = figure.legend(
            handles=entries,
            loc="outside lower center",
            ncols=columns,
            frameon=False,
            handlelength=3.4,
        )
        if columns == 1 or legend.get_window_extent().width < 0.98 * figure.bbox.width:
            return
        legend.remove()


def _legend_entries(tree: xr.DataTree, figure: Figure) -> list[Artist]:
    """Return what the legend explains: the rules, and the marks that occur in the figure."""
    entries: list[Artist] = [*rule_lines(rules_of(tree))]
    curves = read_curves(tree, "loss")
    if any(len(series.values) > FEW_TRAJECTORIES for series in curves):
        entries.append(
            Patch(color="#888888", alpha=0.3, linewidth=0, label="median, least to greatest")
        )
    if any(1 < len(series.values) <= FEW_TRAJECTORIES for series in curves):
        entries.append(
            Line2D([], [], color="#888888", linewidth=0.6, label="each trajectory, median thick")
        )
    drawn = {line.get_gid() for axes in figure.axes for line in axes.lines}
    if "bound" in drawn:
        label = "lower bound (signfa: P-1; fa, adafa: L-1)"
        entries.append(
            Line2D([], [], color="#888888", linestyle=BOUND_DASHES, linewidth=1.3, label=label)
        )
    if any(np.any(series.ended_early) for series in curves):
        entries.append(
            Line2D([], [], color="#888888", linestyle="none", marker="x", label="ended early")
        )
    return entries

"""A figure of panels with one title and one legend, outside of the panels."""

from __future__ import annotations

import re
import string
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
from flowfa.plots.curves import Shown, group, parts_of, read_curves, rules_of
from flowfa.plots.shown import ShownFigure
from flowfa.plots.style import (
    BOUND_DASHES,
    COLUMN,
    PAGE,
    PANEL_HEIGHT,
    PANEL_WIDTH,
    PAPER_SETTINGS,
    SETTINGS,
    STYLES,
    rule_lines,
)
from flowfa.registry import unknown_name

Draw = Callable[[Axes], None]
Target = Axes | Sequence[Axes] | np.ndarray | None


def draw_sheet(
    results: Shown,
    rows: Sequence[Sequence[Draw]],
    *,
    ax: Target = None,
    style: str = "screen",
    left_out: Sequence[str] = (),
) -> Figure:
    """Lay out panels in rows, draw them, and add the title and the legend.

    Parameters
    ----------
    results : xarray.DataTree or Overlay
        What the panels show.
    rows : sequence of sequences of callables
        Each draws into the Axes it is given.
    ax : Axes, or several, optional
        Where to draw instead, one for each panel; the caller's figure keeps its own title, legend
        and look.
    style : {"screen", "paper"}
        For a paper: no titles and no IDs, panels (a), (b), ... at the width of a column or a page.
    left_out : sequence of str
        What the title says to be constant and not drawn.

    Returns
    -------
    matplotlib.figure.Figure
        With a canvas of its own, which pyplot does not know; the caller's, if `ax` is given.

    Raises
    ------
    InputError
        If there is no panel to draw, `ax` are too few or too many, or the style is unknown.
    """
    if style not in STYLES:
        raise unknown_name("style", style, STYLES)
    columns = max((len(row) for row in rows), default=0)
    if columns == 0:
        raise InputError("these records hold nothing for this figure: no layer has the quantity")
    if ax is not None:
        return _drawn_into(ax, [draw for row in rows for draw in row])
    on_paper = style == "paper"
    with mpl.rc_context(PAPER_SETTINGS if on_paper else SETTINGS):
        figure = ShownFigure(figsize=_size(len(rows), columns, on_paper), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(len(rows), columns)
        for i, row in enumerate(rows):
            for j, draw in enumerate(row):
                draw(figure.add_subplot(grid[i, j]))
        if on_paper:
            _for_paper(figure)
        else:
            figure.suptitle("\n".join([_title(results), *_constants(left_out)]))
        _add_legend(figure, _legend_entries(results, figure, on_paper))
    return figure


def _size(rows: int, columns: int, on_paper: bool) -> tuple[float, float]:
    """Return width and height of a figure in inches."""
    if on_paper:
        width = COLUMN if columns == 1 else PAGE
        return width, 0.78 * min(width / columns, COLUMN) * rows + 0.4
    return PANEL_WIDTH * max(columns, 2), PANEL_HEIGHT * rows + 0.75


def _constants(left_out: Sequence[str]) -> list[str]:
    return [f"constant, and not drawn: {', '.join(left_out)}"] if left_out else []


def _drawn_into(ax: Axes | Sequence[Axes] | np.ndarray, panels: Sequence[Draw]) -> Figure:
    """Draw panels into the caller's axes."""
    axes = [ax] if isinstance(ax, Axes) else list(np.asarray(ax, dtype=object).ravel())
    if len(axes) != len(panels) or not all(isinstance(entry, Axes) for entry in axes):
        raise InputError(
            f"`ax` has {len(axes)} axes and the figure has {len(panels)} panels: give one for "
            f"each, as of figure.subplots(1, {len(panels)})"
        )
    for entry, draw in zip(axes, panels, strict=True):
        draw(entry)
    figure = axes[0].get_figure()
    assert isinstance(figure, Figure)
    return figure


def _for_paper(figure: Figure) -> None:
    """Leave titles to the caption; a layer that only a title names goes into the label."""
    several = len(figure.axes) > 1
    labels = [axes.get_ylabel() for axes in figure.axes]
    for index, axes in enumerate(figure.axes):
        layer = re.search(r"layer\s(\d+)", axes.get_title())
        if layer is not None and labels.count(axes.get_ylabel()) > 1:
            axes.set_ylabel(f"{axes.get_ylabel()}, layer {layer[1]}")
        tag = f"({string.ascii_lowercase[index % 26]})" if several else ""
        axes.set_title(tag, loc="left")
        axes.set_title("")


def _title(results: Shown) -> str:
    """Name the networks and how many trajectories are shown."""
    counts = sorted({len(series.values) for series in read_curves(results, "loss")})
    each_rule = " to ".join(str(count) for count in {counts[0]: 0, counts[-1]: 0})
    noun = "trajectory" if counts[-1] == 1 else "trajectories"
    networks = dict.fromkeys(_network(tree) for _, tree in parts_of(results))
    named = [network for network in networks if network]
    if not named:
        return f"{each_rule} {noun} per rule"
    return f"Network {' and '.join(named)}, {each_rule} {noun} per rule"


def _network(tree: xr.DataTree) -> str:
    if "weights" not in tree.children:
        return ""
    weights = group(tree, "weights")
    layers = sum(str(name).startswith("W") for name in weights.data_vars)
    shapes = [weights[f"W{layer}"].shape[-2:] for layer in range(1, layers + 1)]
    return "-".join(map(str, [shapes[0][1], *(shape[0] for shape in shapes)]))


def _add_legend(figure: Figure, entries: Sequence[Artist]) -> None:
    """Put the legend below the panels, in as few rows as the width of the figure allows."""
    for columns in range(len(entries), 0, -1):
        legend = figure.legend(
            handles=_read_in_rows(entries, columns),
            loc="outside lower center",
            ncols=columns,
            frameon=False,
            handlelength=3.4,
        )
        if columns == 1 or legend.get_window_extent().width < 0.98 * figure.bbox.width:
            return
        legend.remove()


def _read_in_rows(entries: Sequence[Artist], columns: int) -> list[Artist]:
    """Return entries in the order in which a legend, which fills columns, shows them in rows."""
    return [entry for column in range(columns) for entry in entries[column::columns]]


def _legend_entries(results: Shown, figure: Figure, on_paper: bool) -> list[Artist]:
    """Return what the legend explains: the rules, and the marks that occur in the figure."""
    drawn = {str(artist.get_gid()) for axes in figure.axes for artist in axes.get_children()}
    series = rules_of(results)
    seen = [rule for rule in series if any(gid.endswith(f"-{rule}") for gid in drawn)]
    styles = dict(zip(series, rule_lines(series), strict=True))
    entries: list[Artist] = [styles[rule] for rule in seen or series]
    curves = read_curves(results, "loss")
    if "band" in drawn:
        entries.append(
            Patch(color="#888888", alpha=0.3, linewidth=0, label="median, least to greatest")
        )
    if "thin" in drawn:
        entries.append(
            Line2D([], [], color="#888888", linewidth=0.6, label="each trajectory, median thick")
        )
    if "bound" in drawn:
        label = "lower bound" if on_paper else "lower bound (signfa: P-1; fa, adafa: L-1)"
        lines = [line for axes in figure.axes for line in axes.lines if line.get_gid() == "bound"]
        colors = {str(line.get_color()) for line in lines}
        # Grey stands for several colours only.
        color = colors.pop() if len(colors) == 1 else "#888888"
        entries.append(
            Line2D([], [], color=color, linestyle=BOUND_DASHES, linewidth=1.3, label=label)
        )
    if any(np.any(series.ended_early) for series in curves):
        entries.append(
            Line2D([], [], color="#888888", linestyle="none", marker="x", label="ended early")
        )
    return entries

"""Figures of experiments: titled panels with one title and one legend."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib as mpl
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from flowfa.plots.shown import ShownFigure
from flowfa.plots.style import SETTINGS, rule_lines, rule_styles

_PANEL = (2.9, 2.3)

Panel = tuple[str, Callable[[Axes], None]]
"""A title, and what draws the panel below it."""


def draw_panels(
    data: xr.Dataset,
    rows: Sequence[Sequence[Panel]],
    title: str,
    *,
    rules: Sequence[str],
    entries: Sequence[Line2D] = (),
    runs_of: str = "a rule",
    least_columns: int = 2,
) -> Figure:
    """Lay out titled panels below a title that names experiment and scale, above one legend.

    Parameters
    ----------
    data : xarray.Dataset
        The result, with the dimension run and the attribute ``title``.
    rows : sequence of sequences of Panel
    title : str
    rules : sequence of str
        Rules that the legend explains.
    entries : sequence of Line2D
        Further entries of the legend.
    runs_of : str
        What the title counts the runs of, such as "a rule".
    least_columns : int
        The sheet is at least so many panels wide, or its title and legend would not fit.
    """
    with mpl.rc_context(SETTINGS):
        columns = max(len(row) for row in rows)
        size = (_PANEL[0] * max(columns, least_columns), _PANEL[1] * len(rows) + 0.95)
        figure = ShownFigure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(len(rows), columns)
        for i, row in enumerate(rows):
            for j, (name, draw) in enumerate(row):
                axes = figure.add_subplot(grid[i, j])
                axes.set_title(name)
                draw(axes)
        runs = data.sizes["run"]
        figure.suptitle(
            f"{title}\n{data.attrs['title']}, {runs} run{'s' if runs > 1 else ''} {runs_of}"
        )
        handles = [*rule_lines(rules), *entries]
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=len(handles),
            frameon=False,
            handlelength=3.2,
        )
    return figure


def draw_runs(axes: Axes, values: xr.DataArray, *, of_all: bool) -> None:
    """Draw each run thin and the mean thick, for each rule.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    values : xarray.DataArray
        (rule, run, epoch).
    of_all : bool
        Whether the mean ends where the first run diverges; else it is of those that go on.
    """
    for rule, style in rule_styles(values.rule.values).items():
        of_rule = values.sel(rule=rule)
        if of_rule.sizes["run"] > 1:
            for run in of_rule.transpose("run", "epoch").values:
                axes.plot(values.epoch, run, color=style.color, linewidth=0.5, alpha=0.5)
        mean = of_rule.mean("run", skipna=not of_all)
        axes.plot(values.epoch, mean, color=style.color, linestyle=style.dashes, linewidth=1.5)
    axes.set_xlabel("epoch")
    axes.set_xlim(float(values.epoch[0]), float(values.epoch[-1]))

"""Figures of the page: panels in a grid, as PNG images inside the page."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, SymmetricalLogLocator

from flowfa.documents import html_image
from flowfa.plots.saving import png_bytes
from flowfa.plots.sheet import Draw
from flowfa.plots.style import PANEL_HEIGHT, PANEL_WIDTH, SETTINGS

COLUMNS = 3
ROWS = 4
"""Rows of panels of one image, as many as fit on a sheet of paper."""
RESOLUTION = 130
ENTRY_WIDTH = 1.7
"""Inches that an entry of the legend takes."""
MOST_DECADES = 14
"""Powers of ten that a signed axis shows on each side of zero."""


def draw_grid(panels: Sequence[Draw], handles: Sequence[Line2D] = ()) -> Figure:
    """Return a figure of panels, three in a row, with a legend below."""
    rows = -(-len(panels) // COLUMNS)
    columns = min(COLUMNS, len(panels))
    beside = max(1, min(len(handles), int(PANEL_WIDTH * columns / ENTRY_WIDTH)))
    legend_rows = -(-len(handles) // beside)
    with mpl.rc_context(SETTINGS):
        figure = Figure(
            figsize=(PANEL_WIDTH * max(columns, 1), PANEL_HEIGHT * rows + 0.1 + 0.22 * legend_rows),
            layout="constrained",
        )
        FigureCanvasAgg(figure)
        for number, draw in enumerate(panels):
            draw(figure.add_subplot(rows, columns, number + 1))
        if handles:
            figure.legend(
                handles=list(handles),
                loc="outside lower center",
                ncols=beside,
                frameon=False,
                handlelength=3.4,
            )
    return figure


def image(figure: Figure, words: str) -> str:
    """Return a figure as an <img> element with its data inside.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    words : str
        What it shows, for those who cannot see it.
    """
    width = round(figure.get_size_inches()[0] * 100.0)
    return html_image(png_bytes(figure, RESOLUTION), words, width)


def signed_log_axis(axes: Axes, values: np.ndarray) -> None:
    """Make the vertical axis logarithmic on both sides of zero.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    values : numpy.ndarray
        What is drawn; the least sizes among it are where the axis turns linear.
    """
    sizes = np.abs(values[np.isfinite(values) & (values != 0.0)])
    if len(sizes) == 0:
        return
    largest = float(sizes.max())
    smallest = max(float(np.quantile(sizes, 0.01)), largest * 10.0**-MOST_DECADES)
    threshold = 10.0 ** np.floor(np.log10(smallest))
    finite = values[np.isfinite(values)]
    lowest, highest = min(0.0, float(finite.min())), max(0.0, float(finite.max()))
    two_sided = lowest < 0.0 < highest
    axes.set_yscale("symlog", linthresh=threshold, linscale=1.0 if two_sided else 0.4)
    axes.set_ylim(2.0 * lowest, 2.0 * highest)
    few = largest / smallest < 50.0
    locator = SymmetricalLogLocator(
        base=10.0, linthresh=threshold, subs=(1.0, 2.0, 5.0) if few else (1.0,)
    )
    locator.set_params(numticks=7)
    axes.yaxis.set_major_locator(locator)
    # Between the two logarithmic parts there is room for the label of zero alone.
    least = 2.0 * threshold if two_sided else 0.0
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: "" if 0.0 < abs(value) < least else _power(value))
    )
    axes.minorticks_off()


def _power(value: float) -> str:
    """Return a tick's label: 0, or a signed power of ten, perhaps with a factor."""
    if value == 0.0:
        return "0"
    exponent = int(np.floor(np.log10(abs(value)) + 1e-9))
    factor = round(abs(value) / 10.0**exponent)
    sign = "-" if value < 0.0 else ""
    times = "" if factor == 1 else rf"{factor} \cdot "
    return rf"${sign}{times}10^{{{exponent}}}$"

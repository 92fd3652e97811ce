"""The panel of the loss."""

from __future__ import annotations

from matplotlib.figure import Figure

from flowfa.plots.curves import Results, Shown, read_curves, shown
from flowfa.plots.panel import draw_panel
from flowfa.plots.sheet import Draw, Target, draw_sheet


def loss(results: Results, *, ax: Target = None, style: str = "screen") -> Figure:
    """Draw the loss over time, on a log scale.

    Parameters
    ----------
    results : Run or xarray.DataTree, or several
        A result, as `flowfa.load` or `flowfa.simulate` returns it; several are laid over each
        other, a mapping names them.
    ax : Axes, or several, optional
        Where to draw instead, one for each panel, in a figure of your own.
    style : {"screen", "paper"}
        For a paper: without titles and IDs, at the width of a column or a page.

    Returns
    -------
    matplotlib.figure.Figure
        One panel.

    Raises
    ------
    InputError
        If the result lacks what is drawn.
    """
    drawn = shown(results)
    return draw_sheet(drawn, [loss_panels(drawn)], ax=ax, style=style)


def loss_panels(tree: Shown) -> list[Draw]:
    """Return the function that draws the panel of `loss`."""
    return [lambda axes: draw_panel(axes, read_curves(tree, "loss"), "Loss", "loss", log=True)]

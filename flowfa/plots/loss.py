"""The panel of the loss."""

from __future__ import annotations

import xarray as xr
from matplotlib.figure import Figure

from flowfa.plots.curves import HasTree, read_curves, tree_of
from flowfa.plots.panel import draw_panel
from flowfa.plots.sheet import Draw, draw_sheet


def loss(result: xr.DataTree | HasTree) -> Figure:
    """Draw the loss over time, on a log scale.

    Parameters
    ----------
    result : xarray.DataTree or Run
        A result, as `flowfa.load` or `flowfa.simulate` returns it.

    Returns
    -------
    matplotlib.figure.Figure
        One panel.

    Raises
    ------
    InputError
        If the result lacks what is drawn.
    """
    tree = tree_of(result)
    return draw_sheet(tree, [loss_panels(tree)])


def loss_panels(tree: xr.DataTree) -> list[Draw]:
    """Return the function that draws the panel of `loss`."""
    return [lambda axes: draw_panel(axes, read_curves(tree, "loss"), "Loss", "loss", log=True)]

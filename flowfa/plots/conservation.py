"""Panels of C-1: how far the conserved quantities drift, which is the integrator's error."""

from __future__ import annotations

import xarray as xr
from matplotlib.figure import Figure

from flowfa.plots.curves import HasTree, layers_with, read_curves, tree_of
from flowfa.plots.panel import draw_panel
from flowfa.plots.sheet import Draw, draw_sheet


def conservation(result: xr.DataTree | HasTree) -> Figure:
    """Draw the drift of the conserved quantity (C-1) of each hidden layer, on a log scale.

    Parameters
    ----------
    result : xarray.DataTree or Run
        A result, as `flowfa.load` or `flowfa.simulate` returns it.

    Returns
    -------
    matplotlib.figure.Figure
        One panel for each hidden layer that has a law under some rule.

    Raises
    ------
    InputError
        If the result lacks what is drawn.
    """
    tree = tree_of(result)
    return draw_sheet(tree, [conservation_panels(tree)])


def conservation_panels(tree: xr.DataTree) -> list[Draw]:
    """Return the functions that draw the panels of `conservation`, one for each layer."""
    return [
        lambda axes, layer=layer: draw_panel(
            axes,
            read_curves(tree, "conservation_drift", layer),
            f"Conservation, layer {layer} (C-1)",
            "drift of the invariant",
            log=True,
        )
        for layer in layers_with(tree, "conservation_drift")
    ]

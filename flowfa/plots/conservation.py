"""Panels of C-1: how far the conserved quantities drift, which is the integrator's error."""

from __future__ import annotations

from matplotlib.figure import Figure

from flowfa.plots.curves import Results, Shown, layers_with, parts_of, read_curves, shown
from flowfa.plots.panel import draw_panel
from flowfa.plots.sheet import Draw, Target, draw_sheet
from flowfa.records import weights_decay


def conservation(results: Results, *, ax: Target = None, style: str = "screen") -> Figure:
    """Draw the drift of the conserved quantity (C-1) of each hidden layer, on a log scale.

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
        One panel for each hidden layer that has a law under some rule.

    Raises
    ------
    InputError
        If the result lacks what is drawn.
    """
    drawn = shown(results)
    return draw_sheet(drawn, [conservation_panels(drawn)], ax=ax, style=style)


def conservation_panels(tree: Shown) -> list[Draw]:
    """Return the functions that draw the panels of `conservation`, one for each layer."""
    decays = any(weights_decay(part) for _, part in parts_of(tree))
    title = "Conserved without decay" if decays else "Conservation"
    return [
        lambda axes, layer=layer: draw_panel(
            axes,
            read_curves(tree, "conservation_drift", layer),
            f"{title}, layer {layer} (C-1)",
            "drift of the invariant",
            log=True,
        )
        for layer in layers_with(tree, "conservation_drift")
    ]

"""Panels of Eq. (1): dLoss/dt = -cos(phi) ||grad Loss|| ||G||, factor by factor."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flowfa.plots.curves import Results, Shown, read_curves, shown
from flowfa.plots.panel import draw_panel
from flowfa.plots.sheet import Draw, Target, draw_sheet


def factors(results: Results, *, ax: Target = None, style: str = "screen") -> Figure:
    """Draw the three factors of the rate of the loss, Eq. (1).

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
        Three panels: cosine of gradient and update, norm of the gradient, norm of the update.

    Raises
    ------
    InputError
        If the result lacks what is drawn.
    """
    drawn = shown(results)
    return draw_sheet(drawn, [factor_panels(drawn)], ax=ax, style=style)


def factor_panels(tree: Shown) -> list[Draw]:
    """Return the functions that draw the panels of `factors`."""

    def cosine(axes: Axes) -> None:
        curves = read_curves(tree, "cosine")
        draw_panel(axes, curves, "Angle of update and gradient (Eq. 1)", r"$\cos\varphi$")
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]), top=1.04)

    def gradient(axes: Axes) -> None:
        curves = read_curves(tree, "gradient_norm")
        draw_panel(axes, curves, "Gradient (Eq. 1)", r"$\Vert\nabla\,\mathrm{Loss}\Vert$", log=True)

    def update(axes: Axes) -> None:
        curves = read_curves(tree, "update_norm")
        draw_panel(axes, curves, "Update (Eq. 1)", r"$\Vert G\Vert$", log=True)

    return [cosine, gradient, update]

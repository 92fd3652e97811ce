"""The default figure: loss, alignment, conservation and the factors of Eq. (1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure

from flowfa.plots.alignment import alignment_panels
from flowfa.plots.conservation import conservation_panels
from flowfa.plots.curves import (
    CONSTANT,
    Results,
    Shown,
    is_constant,
    layers_with,
    read_curves,
    shown,
)
from flowfa.plots.factors import factor_panels
from flowfa.plots.loss import loss_panels
from flowfa.plots.sheet import Draw, Target, draw_sheet
from flowfa.registry import unknown_name

PANELS: dict[str, Callable[[Shown], list[Draw]]] = {
    "loss": loss_panels,
    "alignment": alignment_panels,
    "conservation": conservation_panels,
    "factors": factor_panels,
}
"""The parts of the default figure, by name."""
_IN_A_ROW = 3


def overview(
    results: Results,
    *,
    panels: Sequence[str] | None = None,
    ax: Target = None,
    style: str = "screen",
) -> Figure:
    """Draw the default figure of a result, or of several.

    Loss; alignment of each layer with its bound (A-1, P-1, L-1); drift of the invariant of each
    hidden layer (C-1); the three factors of Eq. (1). Rules have colours and dashes of their own.
    The line is the median over a rule's trajectories, the band reaches from the least to the
    greatest; few trajectories have thin lines instead. A cross marks where one ended early.

    Parameters
    ----------
    results : Run or xarray.DataTree, or several
        A result, as `flowfa.load` or `flowfa.simulate` returns it; several are laid over each
        other, a mapping names them.
    panels : sequence of str, optional
        Which parts: ``loss``, ``alignment``, ``conservation``, ``factors``. By default all, but
        for what stays constant, such as the alignment of gd, which the title names.
    ax : Axes, or several, optional
        Where to draw instead, one for each panel, in a figure of your own.
    style : {"screen", "paper"}
        For a paper: without titles and IDs, at the width of a column or a page.

    Returns
    -------
    matplotlib.figure.Figure
        Two rows of three panels for one hidden layer, more rows for more.

    Raises
    ------
    InputError
        If the result lacks what is drawn, or a part or style is unknown.
    """
    drawn = shown(results)
    if panels is not None:
        for name in panels:
            if name not in PANELS:
                raise unknown_name("part of the figure", name, PANELS)
        chosen = [draw for name in panels for draw in PANELS[name](drawn)]
        return draw_sheet(drawn, _in_rows(chosen), ax=ax, style=style)
    still = _constants(drawn)
    aligned = layers_with(drawn, "alignment")
    moving = [
        draw
        for layer, draw in zip(aligned, alignment_panels(drawn), strict=True)
        if f"alignment of layer {layer}" not in still
    ]
    state = [*loss_panels(drawn), *moving, *conservation_panels(drawn)]
    cosine, gradient, update = factor_panels(drawn)
    turning = not any(text.startswith("cos phi") for text in still)
    rates = [*([cosine] if turning else []), gradient]
    if turning or still[-1] == "cos phi":
        rates.append(update)
    whole = len(aligned) == len(moving) and len(rates) == _IN_A_ROW
    rows = [*_in_rows(state), rates] if whole else _in_rows([*state, *rates])
    return draw_sheet(drawn, rows, ax=ax, style=style, left_out=still)


def _in_rows(panels: Sequence[Draw]) -> list[Sequence[Draw]]:
    return [panels[start : start + _IN_A_ROW] for start in range(0, len(panels), _IN_A_ROW)]


def _constants(results: Shown) -> list[str]:
    """Name what stays as it is along all trajectories, and would be a panel with straight lines."""
    still = [
        f"alignment of layer {layer}"
        for layer in layers_with(results, "alignment")
        if is_constant(read_curves(results, "alignment", layer))
    ]
    if not is_constant(read_curves(results, "cosine")):
        return still
    same = _same(results, "gradient_norm", "update_norm")
    return [*still, "cos phi" + (", G is the gradient" if same else "")]


def _same(results: Shown, first: str, second: str) -> bool:
    """Return whether two quantities are the same along all trajectories, as |G| is |grad| in gd."""
    pairs = zip(read_curves(results, first), read_curves(results, second), strict=True)
    return all(
        np.allclose(one.values, other.values, rtol=CONSTANT, atol=0.0, equal_nan=True)
        for one, other in pairs
    )

"""The default figure: loss, alignment, conservation and the factors of Eq. (1)."""

from __future__ import annotations

import xarray as xr
from matplotlib.figure import Figure

from flowfa.plots.alignment import alignment_panels
from flowfa.plots.conservation import conservation_panels
from flowfa.plots.curves import HasTree, tree_of
from flowfa.plots.factors import factor_panels
from flowfa.plots.loss import loss_panels
from flowfa.plots.sheet import draw_sheet


def overview(result: xr.DataTree | HasTree) -> Figure:
    """Draw the default figure of a result.

    Loss; alignment of each layer with its bound (A-1, P-1, L-1); drift of the invariant of each
    hidden layer (C-1); the three factors of Eq. (1). Rules have colours and dashes of their own.
    The line is the median over a rule's trajectories, the band reaches from the least to the
    greatest; few trajectories have thin lines instead. A cross marks where one ended early.

    Parameters
    ----------
    result : xarray.DataTree or Run
        A result, as `flowfa.load` or `flowfa.simulate` returns it.

    Returns
    -------
    matplotlib.figure.Figure
        Two rows of three panels for one hidden layer, more rows for more.

    Raises
    ------
    InputError
        If the result lacks what is drawn.
    """
    tree = tree_of(result)
    state = [*loss_panels(tree), *alignment_panels(tree), *conservation_panels(tree)]
    rows = [state[start : start + 3] for start in range(0, len(state), 3)]
    return draw_sheet(tree, [*rows, factor_panels(tree)])

"""The conserved quantity of each neuron over time, as stored: how far it drifts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from flowfa.plots.curves import group
from flowfa.plots.sheet import Draw
from flowfa.plots.style import rule_styles

MOST_LINES = 40
"""Neurons that are drawn in a panel, those that drift most."""


def invariant_panels(tree: xr.DataTree, worst: Mapping[str, int]) -> list[Draw]:
    """Return a panel for one trajectory of each rule.

    Parameters
    ----------
    tree : xarray.DataTree
        A result.
    worst : mapping
        The trajectory of each rule.
    """
    conserved = group(tree, "neurons")["conserved"]
    times = group(tree, "trajectory")["time"].values
    panels: list[Draw] = []
    for rule, row in worst.items():
        values = conserved.values[row]
        drift = values - values[:1]
        known = np.isfinite(drift).any(0)
        if known.any():
            panels.append(
                lambda axes, rule=rule, row=row, drift=drift[:, known]: _draw(
                    axes, times, drift, rule, row
                )
            )
    return panels


def _draw(axes: Axes, times: np.ndarray, drift: np.ndarray, rule: str, row: int) -> None:
    count = drift.shape[1]
    most = np.argsort(-np.nanmax(np.abs(drift), axis=0))[:MOST_LINES]
    shown = f"{count} neurons" if count <= MOST_LINES else f"{MOST_LINES} of {count} neurons"
    axes.set_title(f"{rule}, trajectory {row}: {shown}")
    axes.set_xlabel("flow time $t$")
    axes.set_ylabel("$C_j(t) - C_j(0)$")
    color = rule_styles([rule])[rule].color
    axes.plot(times, drift[:, most], color=color, linewidth=0.6, alpha=0.55)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.axhline(0.0, color="#444444", linewidth=0.9)

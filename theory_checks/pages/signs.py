"""The signs of the output weights over time, neurons sorted by the sign of their feedback."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.ticker import MaxNLocator

from flowfa.plots.curves import group
from flowfa.plots.sheet import Draw
from theory_checks.verdicts.traces import Traces

COLORS = ListedColormap(["#0072B2", "#FFFFFF", "#D55E00"])
"""Of -1, 0 and 1."""


def sign_panels(tree: xr.DataTree, traces: Traces, worst: Mapping[str, int]) -> list[Draw]:
    """Return a panel for one trajectory of each rule, with the weights of the first output."""
    panels: list[Draw] = []
    for rule, row in worst.items():
        signs, times = traces.signs[row][:, 0], traces.times[row]
        if len(times) > 1:
            feedback, of = _feedback(tree, row, signs)
            title = f"{rule}, trajectory {row}"
            parts = (signs, times, feedback, of, title)
            panels.append(lambda axes, parts=parts: _draw(axes, *parts))
    return panels


def _feedback(tree: xr.DataTree, row: int, signs: np.ndarray) -> tuple[np.ndarray, str]:
    """Return the sign of the feedback from the first output into each neuron, and its name."""
    weights = group(tree, "weights")
    layers = sum(str(name).startswith("W") for name in weights.data_vars)
    for name in (f"B{layers}", f"D{layers - 1}"):
        if name in weights and np.isfinite(weights[name].values[row]).all():
            return np.sign(weights[name].values[row][:, 0]), f"{name[0]}"
    # Feedback that follows the weights has their sign at the start.
    return signs[0].astype(float), "W(0)"


def _draw(
    axes: Axes, signs: np.ndarray, times: np.ndarray, feedback: np.ndarray, of: str, title: str
) -> None:
    order = np.argsort(-feedback, kind="stable")
    axes.set_title(title)
    axes.set_xlabel("flow time $t$")
    axes.set_ylabel(f"neuron, by the sign of {of}")
    edges = np.concatenate([times[:1], 0.5 * (times[1:] + times[:-1]), times[-1:]])
    axes.pcolormesh(
        edges,
        np.arange(len(order) + 1),
        signs.T[order],
        cmap=COLORS,
        vmin=-1,
        vmax=1,
        rasterized=True,
    )
    axes.axhline(float((feedback > 0).sum()), color="#000000", linewidth=1.0)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.invert_yaxis()
    axes.grid(False)

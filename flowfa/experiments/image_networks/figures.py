"""Accuracy curves, the per-layer alignment of B.2, and the law's split."""

from __future__ import annotations

import math

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from flowfa.experiments.sheet import draw_panels, draw_runs
from flowfa.plots.style import BOUND_DASHES, rule_styles

_TINY = 1e-18
_COLUMNS = 5


def learning_curves(data: xr.Dataset) -> Figure:
    """Draw loss and accuracy on training and test images, a row for each N."""
    names = {
        "train_loss": "training loss",
        "train_accuracy": "training accuracy",
        "test_loss": "test loss",
        "test_accuracy": "test accuracy",
    }

    def draw(axes: Axes, n: int, name: str) -> None:
        draw_runs(axes, data[name].sel(classes=n), of_all=False)
        axes.set_ylabel(names[name])
        if name.endswith("loss"):
            _spread(axes, data[name].sel(classes=n))
        else:
            axes.axhline(1.0 / n, color="#888888", linestyle=BOUND_DASHES, linewidth=1.0)

    panels = [
        [(f"N = {n}", lambda axes, n=n, name=name: draw(axes, n, name)) for name in names]
        for n in data.classes.values
    ]
    chance = Line2D([], [], color="#888888", linestyle=BOUND_DASHES, label="chance, 1/N")
    return draw_panels(data, panels, "Training and test", rules=data.rule.values, entries=[chance])


def alignment(data: xr.Dataset, classes: int) -> Figure:
    """Draw cos(W_l, B_l^T) of each layer over epochs at one N (figures of B.2).

    Without gd, whose feedback is W, and without the first layer, whose feedback is never used.
    """
    cosines = data["cosine"].sel(classes=classes, rule=[r for r in data.rule.values if r != "gd"])

    def draw(axes: Axes, layer: str) -> None:
        draw_runs(axes, cosines.sel(layer=layer), of_all=False)
        axes.set_ylabel(r"$\cos(W_l, B_l^\mathsf{T})$")
        axes.axhline(0.0, color="#CCCCCC", linewidth=0.8, zorder=0)

    layers = [str(layer) for layer in data.layer.values[1:]]
    columns = math.ceil(len(layers) / math.ceil(len(layers) / _COLUMNS))
    flat = [(layer, lambda axes, layer=layer: draw(axes, layer)) for layer in layers]
    panels = [flat[begin : begin + columns] for begin in range(0, len(flat), columns)]
    title = f"Alignment of each layer with its feedback, N = {classes}"
    return draw_panels(data, panels, title, rules=cosines.rule.values)


def law_split(data: xr.Dataset) -> Figure:
    """Draw |C(t) - C(0)| of each hidden layer, its predicted shares, and what they leave over."""
    change = data["conserved"] - data["conserved"].isel(epoch=0, drop=True)
    rest = abs(change - data["step_share"] - data["decay_share"])

    def draw(axes: Axes, n: int, layer: str) -> None:
        for rule, style in rule_styles(data.rule.values).items():
            at = {"classes": n, "hidden": layer, "rule": rule}
            for values, dashes, marker in (
                (abs(data["step_share"]), style.dashes, None),
                (abs(data["decay_share"]), BOUND_DASHES, None),
                (rest, "none", "."),
            ):
                axes.plot(
                    data.epoch[1:],
                    values.sel(at).max("run")[1:].clip(_TINY),
                    color=style.color,
                    linestyle=dashes,
                    marker=marker,
                    markersize=3,
                    linewidth=1.4,
                )
        axes.set_yscale("log")
        axes.set_xlabel("epoch")
        axes.set_ylabel("part of C(t) - C(0)")

    panels = [
        [
            (f"N = {n}, {layer}", lambda axes, n=n, layer=layer: draw(axes, n, layer))
            for layer in data.hidden.values
        ]
        for n in data.classes.values
    ]
    grey = "#888888"
    entries = [
        Line2D([], [], color=grey, label="steps (C-11)"),
        Line2D([], [], color=grey, linestyle=BOUND_DASHES, label="weight decay"),
        Line2D([], [], color=grey, linestyle="none", marker=".", label="rest"),
    ]
    title = "What moves C of each hidden layer (C-4), greatest over runs"
    return draw_panels(data, panels, title, rules=data.rule.values, entries=entries)


def _spread(axes: Axes, values: xr.DataArray) -> None:
    """Take a logarithmic axis where one run, under fa say, has many times the loss of others."""
    if not float(values.max()) > 10.0 * float(values.min()):
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())

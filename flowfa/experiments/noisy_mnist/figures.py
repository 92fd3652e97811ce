"""Figures 2, 3 and 4 of the paper, and the split of the law's deviation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from flowfa.experiments.findings import mean_and_error
from flowfa.experiments.noisy_mnist.measures import ratio_errors, rest_of_law
from flowfa.experiments.sheet import Panel, draw_panels, draw_runs
from flowfa.plots.style import BOUND_DASHES, rule_styles

SHOWN_WIDTHS = 3
DOTS = 15
"""Number of dots that stand for the flow in each curve."""
_COLUMNS = 3
"""A sheet is at least so many panels wide."""
ZERO = 1e-17
"""Where zero is drawn on a logarithmic axis of relative rounding: below one digit of float64."""


def deviation_by_width(data: xr.Dataset) -> Figure:
    """Draw Figure 2: mean |R - 1| at the end against the width, with standard errors."""
    errors = abs(ratio_errors(data)).isel(epoch=-1)

    def draw(axes: Axes, name: str) -> None:
        for index, (rule, style) in enumerate(rule_styles(data.rule.values).items()):
            mean, error = mean_and_error(errors[name].sel(rule=rule))
            # Rules are drawn side by side, because their error bars would cover each other.
            shift = 1.0 + 0.012 * (index - (data.sizes["rule"] - 1) / 2)
            bars = np.nan_to_num(error.values)
            # On a logarithmic axis a bar that reaches zero has no lower end.
            below = np.minimum(bars, 0.999 * mean.values)
            axes.errorbar(
                data.width.values * shift,
                mean.values,
                yerr=(below, bars),
                color=style.color,
                linestyle=style.dashes,
                marker="o",
                markersize=3.5,
                linewidth=1.3,
                capsize=2.5,
            )
        axes.set_yscale("log")
        axes.set_xscale("log")
        _label_widths(axes, data)
        axes.set_xlabel("width")
        axes.set_ylabel(f"mean |{name} - 1|")

    titles = {
        "R1": r"R1: $\frac{1}{2}\Delta\|W_1\|^2 \,/\, \Delta g$",
        "R2": r"R2: $C(t) \,/\, C(0)$",
    }
    panels = [[(titles[name], lambda axes, name=name: draw(axes, name)) for name in titles]]
    return _sheet(data, panels, "Figure 2: deviation from the law at the end", [])


def alignment(data: xr.Dataset) -> Figure:
    """Draw Figure 3: cos(W_2, B_2^T) over epochs, with P-1's bound for signfa."""

    def draw(axes: Axes, width: int) -> None:
        draw_runs(axes, data["cosine"].sel(width=width), of_all=True)
        if "signfa" in data.rule:
            bound = data["sign_bound"].sel(width=width, rule="signfa").max("run")
            color = rule_styles(["signfa"])["signfa"].color
            axes.plot(data.epoch, bound, color=color, linestyle=BOUND_DASHES, linewidth=1.4)
        axes.set_ylabel(r"$\cos(W_2, B_2^\mathsf{T})$")

    panels = [
        [(f"width {width}", lambda axes, width=width: draw(axes, width)) for width in _shown(data)]
    ]
    entries = []
    if "signfa" in data.rule:
        color = rule_styles(data.rule.values)["signfa"].color
        entries = [Line2D([], [], color=color, linestyle=BOUND_DASHES, label="P-1, signfa")]
    return _sheet(data, panels, "Figure 3: alignment of forward and feedback weights", entries)


def learning_curves(data: xr.Dataset) -> Figure:
    """Draw Figure 4: loss and accuracy on training and test images."""
    names = {
        "train_loss": "training loss (noisy labels)",
        "test_loss": "test loss",
        "train_accuracy": "training accuracy (noisy)",
        "test_accuracy": "test accuracy",
    }

    def draw(axes: Axes, width: int, name: str) -> None:
        draw_runs(axes, data[name].sel(width=width), of_all=True)
        axes.set_ylabel(names[name], fontsize=8)

    panels = [
        [
            (f"width {width}", lambda axes, width=width, name=name: draw(axes, width, name))
            for name in names
        ]
        for width in _shown(data)
    ]
    return _sheet(data, panels, "Figure 4: training and test", [])


def law_split(data: xr.Dataset) -> Figure:
    """Draw |C(t) - C(0)| of the layer as C-11 predicts it, and what that leaves over."""
    scale = abs(data["conserved"].isel(epoch=0, drop=True))
    share, rest = abs(data["step_share"]) / scale, abs(rest_of_law(data)) / scale

    def draw(axes: Axes, width: int) -> None:
        for rule, style in rule_styles(data.rule.values).items():
            chosen = {"width": width, "rule": rule}
            axes.plot(
                data.epoch[1:],
                share.sel(chosen).max("run")[1:],
                color=style.color,
                linestyle=style.dashes,
                linewidth=1.4,
            )
            axes.plot(
                data.epoch[1:],
                rest.sel(chosen).max("run")[1:].clip(ZERO),
                color=style.color,
                linestyle="none",
                marker=".",
                markersize=2.5,
            )
        axes.set_yscale("log")
        axes.set_xlabel("epoch")
        axes.set_ylabel("relative to |C(0)|")

    panels = [
        [(f"width {width}", lambda axes, width=width: draw(axes, width)) for width in _shown(data)]
    ]
    entries = [
        Line2D([], [], color="#888888", label="share of the steps (C-11)"),
        Line2D([], [], color="#888888", linestyle="none", marker=".", label="rest"),
    ]
    title = "What the steps add to C, and what that leaves over (worst run)"
    return _sheet(data, panels, title, entries)


def steps_and_flow(data: xr.Dataset) -> Figure:
    """Draw steps and the flows from the same starts over time, for widths that have flows."""
    with_flow = data["flow_conserved"].notnull().any(("rule", "run", "epoch"))
    data = data.isel(width=np.flatnonzero(with_flow.values))

    def drift(prefix: str) -> xr.DataArray:
        conserved = data[f"{prefix}conserved"]
        start = conserved.isel(epoch=0, drop=True)
        return (abs(conserved - start) / abs(start)).clip(min=ZERO)

    quantities = {
        r"$\cos(W_2, F)$": (data["cosine"], data["flow_cosine"]),
        "test accuracy": (data["test_accuracy"], data["flow_test_accuracy"]),
        "$|C - C(0)| / |C(0)|$": (drift(""), drift("flow_")),
    }
    # A few evenly spaced dots: more would look like a line.
    evenly = np.linspace(0.0, float(data.time[-1]), DOTS + 1)[1:]
    dots = np.unique(np.searchsorted(data.time.values, evenly * (1.0 - 1e-12)))

    def draw(axes: Axes, width: int, name: str) -> None:
        # NaN in any run makes the mean NaN: the mean of the finished flows is not comparable with
        # that of all steps.
        steps, flow = (
            values.sel(width=width).mean("run", skipna=False) for values in quantities[name]
        )
        for rule, style in rule_styles(data.rule.values).items():
            axes.plot(
                data.time[1:],
                steps.sel(rule=rule)[1:],
                color=style.color,
                linestyle=style.dashes,
                linewidth=1.3,
            )
            axes.plot(
                data.time[dots],
                flow.sel(rule=rule)[dots],
                color=style.color,
                linestyle="none",
                marker="o",
                markersize=3,
                markerfacecolor="none",
            )
        if "C" in name:
            axes.set_yscale("log")
        axes.set_xlabel("flow time $t$")
        axes.set_ylabel(name)

    panels = [
        [
            (f"width {width}", lambda axes, width=width, name=name: draw(axes, width, name))
            for name in quantities
        ]
        for width in _shown(data)
    ]
    entries = [
        Line2D([], [], color="#888888", label="steps"),
        Line2D(
            [],
            [],
            color="#888888",
            linestyle="none",
            marker="o",
            markersize=3,
            markerfacecolor="none",
            label="flow",
        ),
    ]
    return _sheet(data, panels, "Steps beside the flow from the same starts", entries)


def _sheet(
    data: xr.Dataset,
    rows: Sequence[Sequence[Panel]],
    title: str,
    entries: Sequence[Line2D],
) -> Figure:
    return draw_panels(
        data,
        rows,
        title,
        rules=data.rule.values,
        entries=entries,
        runs_of="a rule and width",
        least_columns=_COLUMNS,
    )


def _label_widths(axes: Axes, data: xr.Dataset) -> None:
    widths = data.width.values
    axes.set_xticks(widths, [str(width) for width in widths])
    axes.set_xticks([], minor=True)
    axes.tick_params(axis="x", labelrotation=60 if len(widths) > 6 else 0)


def _shown(data: xr.Dataset) -> list[int]:
    """Return the smallest, the middle and the largest width."""
    indices = np.linspace(0, data.sizes["width"] - 1, SHOWN_WIDTHS).round().astype(int)
    return [int(width) for width in data.width.values[sorted(set(indices.tolist()))]]

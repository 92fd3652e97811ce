"""The figures of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from flowfa.deviation.summary import Case, cases, slope_of
from flowfa.plots.style import PANEL_HEIGHT, PANEL_WIDTH, SETTINGS, rule_styles

MOST_COLUMNS = 2


def figures(found: xr.Dataset) -> Iterator[tuple[str, str, Figure]]:
    """Yield each figure with the name of its file and its caption."""
    yield (
        "deviation-rate",
        "Deviation of the weights at the end against the rate, median and quartiles over starts, a "
        "line for each width, with fitted slopes and their 95 % intervals; dotted: slope 1; "
        "crosses: starts diverge; dashed vertical: stability edge.",
        _panels(found, _against_rate, one_color_a_rule=True),
    )
    yield (
        "deviation-time",
        "Deviation of the weights over time for each rate (darker is smaller), median and "
        "quartiles over starts, at the largest width; dotted: time-warped.",
        _panels(found, _over_time),
    )
    if found.sizes["architecture"] > 1:
        yield (
            "deviation-width",
            "Deviation at the end against the width, for each rate (darker is smaller), median and "
            "quartiles over starts.",
            _panels(found, _against_width),
        )
    yield (
        "neurons",
        "A few neurons of the first start at the largest rate: output weight of the flow (line) "
        "and of the steps (dots).",
        _panels(found, _neurons),
    )
    yield (
        "law",
        "The largest drift of C (C-1) over time for each rate (darker is smaller), as measured "
        "(lines) and as C-11 predicts it (dots, at every fifth time).",
        _panels(found, _drift),
    )


def _panels(
    found: xr.Dataset, draw: Callable[[Axes, list[Case]], None], one_color_a_rule: bool = False
) -> Figure:
    """Draw a panel for each rule; its color is not in the legend, which is that of all panels."""
    rules = [str(rule) for rule in found["rule"].values]
    columns = min(MOST_COLUMNS, len(rules))
    rows = -(-len(rules) // columns)
    with mpl.rc_context(SETTINGS):
        size = (PANEL_WIDTH * max(columns, 2), PANEL_HEIGHT * rows + 0.4)
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for place, rule in enumerate(rules):
            draw(axes[place], [case for case in cases(found) if case.rule == rule])
            axes[place].set_title(rule)
            axes[place].label_outer()
        for empty in axes[len(rules) :]:
            empty.set_visible(False)
        handles, labels = axes[0].get_legend_handles_labels()
        if labels:
            figure.legend(
                [_neutral(handle) for handle in handles] if one_color_a_rule else handles,
                labels,
                loc="outside lower center",
                ncols=min(6, len(labels)),
                frameon=False,
            )
    return figure


def _against_rate(axes: Axes, own: list[Case]) -> None:
    color = rule_styles([own[0].rule])[own[0].rule].color
    for place, case in enumerate(own):
        momentum = case.found["momentum"].values
        rate = case.found["rate"].values
        chosen = np.flatnonzero((momentum == momentum[0]) & np.isfinite(rate))
        chosen = chosen[np.argsort(rate[chosen])]
        values = case.last("parameters")[:, chosen]
        middle, low, high = _spread(values)
        shade = 0.35 + 0.65 * (place + 1) / len(own)
        axes.plot(
            rate[chosen],
            middle,
            marker="o",
            markersize=3,
            color=color,
            alpha=shade,
            label=f"width {case.architecture}",
            linewidth=1.2,
        )
        axes.fill_between(rate[chosen], low, high, color=color, alpha=0.15 * shade, linewidth=0)
        lost = np.isnan(values).any(0)
        if lost.any():
            axes.plot(rate[chosen][lost], middle[lost], "x", color=color, markersize=7)
        if np.isfinite(case.edge) and case.edge < 3.0 * rate[chosen].max():
            axes.axvline(case.edge, color=color, alpha=shade, linewidth=0.7, linestyle="--")
    case = own[-1]
    variants = _plain(case)
    rate = case.found["rate"].values[variants]
    level = float(_spread(case.last("parameters")[:, variants[-1:]])[0][0])
    axes.plot(rate, level * rate / rate[-1], linestyle=":", color="#555555", linewidth=1.2)
    axes.set(xscale="log", yscale="log", xlabel="rate", ylabel="deviation of the weights")
    axes.set_xticks(rate, [f"{each:.3g}" for each in rate])
    axes.set_xticks([], minor=True)
    told = [_fitted(each) for each in own]
    axes.text(
        0.98, 0.03, "\n".join(told), transform=axes.transAxes, fontsize=6, ha="right", va="bottom"
    )


def _fitted(case: Case) -> str:
    """Return the fitted slope of a width with its interval."""
    slope = slope_of(case, "parameters", float(case.found["momentum"].values[0]))
    if slope is None:
        return f"width {case.architecture}: no slope"
    interval = "" if np.isnan(slope.low) else f" [{slope.low:.3f}, {slope.high:.3f}]"
    return f"width {case.architecture}: slope {slope.slope:.3f}{interval}"


def _over_time(axes: Axes, own: list[Case]) -> None:
    case = own[-1]
    variants = _plain(case)
    for place, variant in enumerate(variants):
        part = case.found.isel(variant=variant)
        color = _shade(place, len(variants))
        middle, low, high = _spread(part["parameters"].values)
        time = part["time"].values
        axes.plot(time, middle, color=color, linewidth=1.2, label=f"rate {float(part['rate']):.3g}")
        axes.fill_between(time, low, high, color=color, alpha=0.2, linewidth=0)
        axes.plot(
            time, _spread(part["warped"].values)[0], color=color, linewidth=1.0, linestyle=":"
        )
    axes.set(yscale="log", xlabel="time", ylabel="deviation of the weights")


def _against_width(axes: Axes, own: list[Case]) -> None:
    variants = _plain(own[0])
    widths = np.arange(len(own))
    for place, variant in enumerate(variants):
        columns = [_spread(case.last("parameters")[:, [variant]]) for case in own]
        middle, low, high = (np.array([float(c[k][0]) for c in columns]) for k in range(3))
        color = _shade(place, len(variants))
        rate = float(own[0].found["rate"].values[variant])
        axes.plot(widths, middle, marker="o", markersize=3, color=color, label=f"rate {rate:.3g}")
        axes.fill_between(widths, low, high, color=color, alpha=0.2, linewidth=0)
    axes.set(yscale="log", xlabel="width", ylabel="deviation of the weights")
    axes.set_xticks(widths, [case.architecture for case in own])


def _neurons(axes: Axes, own: list[Case]) -> None:
    case = own[-1]
    variant = _plain(case)[0]
    part = case.found.isel(variant=variant)
    colors = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
    names = part["shown_neuron"].values
    for place, neuron in enumerate(names):
        if not np.isfinite(part["shown_out_flow"].values[:, place]).any():
            continue
        color = colors[place % len(colors)]
        time = part["time"].values
        axes.plot(
            time,
            part["shown_out_flow"].values[:, place],
            color=color,
            linewidth=1.1,
            label=f"neuron {int(neuron)}",
        )
        axes.plot(time, part["shown_out_steps"].values[:, place], ".", color=color, markersize=3)
    axes.set(xlabel="time", ylabel="output weight")


def _drift(axes: Axes, own: list[Case]) -> None:
    case = own[-1]
    variants = _plain(case)
    for place, variant in enumerate(variants):
        part = case.found.isel(variant=variant)
        color = _shade(place, len(variants))
        time = part["time"].values
        axes.plot(
            time,
            _spread(part["law_drift"].values)[0],
            color=color,
            linewidth=1.2,
            label=f"rate {float(part['rate']):.3g}",
        )
        axes.plot(time[::5], _spread(part["law_predicted"].values)[0][::5], ".", color=color)
    axes.set(yscale="log", xlabel="time", ylabel="largest drift of C")


def _neutral(line: Artist) -> Line2D:
    """Return a line for the legend in grey, as dark as the given one."""
    assert isinstance(line, Line2D)
    return Line2D([], [], color="#444444", alpha=line.get_alpha(), marker="o", markersize=3)


def _plain(case: Case) -> np.ndarray:
    """Return variants of plain rates and the first momentum, from the largest rate down."""
    momentum = case.found["momentum"].values
    good = np.flatnonzero(case.plain & (momentum == momentum[0]))
    return good[np.argsort(-case.found["rate"].values[good])]


def _spread(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return median and quartiles over starts; NaN where all are."""
    good = np.isfinite(values)
    safe = np.where(good.any(0), np.where(good, values, np.nan), 0.0)
    low, middle, high = np.where(good.any(0), np.nanpercentile(safe, [25, 50, 75], axis=0), np.nan)
    return middle, low, high


def _shade(place: int, count: int) -> str:
    """Return greys from light to black, for rates from large to small."""
    level = 0.72 * (1.0 - (place + 1) / count)
    return to_hex((level, level, level))

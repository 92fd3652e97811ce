"""The figures of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from flowfa.deviation.summary import Case, cases, slope_of
from flowfa.plots.shown import ShownFigure
from flowfa.plots.style import PANEL_HEIGHT, PANEL_WIDTH, SETTINGS, rule_styles

MOST_COLUMNS = 2
MOST_RATES = 4
"""Rates that are shown over time and over width; the tables have all."""
DEVIATION = "relative deviation of the weights"
NEURON_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
GREY = "#444444"

Legend = list[tuple[str, Line2D]]
"""Labels and the lines they explain."""


def figures(data: xr.Dataset) -> Iterator[tuple[str, str, Figure]]:
    """Yield each figure with the name of its file and its caption."""
    widest = data["architecture"].values[-1]
    yield (
        "deviation-rate",
        "Deviation of the weights at the end against the rate, median and quartiles over starts, a "
        "line for each width, with fitted slopes and their 95 % intervals. Crosses: some starts "
        "diverge, the line is of the others.",
        # This headroom holds the fitted slopes, a line for each width.
        _panels(data, _against_rate, 0.07 * data.sizes["architecture"]),
    )
    yield (
        "deviation-time",
        "Deviation of the weights over time for each rate, median and quartiles over starts, at "
        f"width {widest}.",
        _panels(data, _over_time),
    )
    if data.sizes["architecture"] > 1:
        yield (
            "deviation-width",
            "Deviation of the weights at the end against the width, for each rate, median and "
            "quartiles over starts.",
            _panels(data, _against_width),
        )
    yield (
        "neurons",
        f"Some neurons of the first start at width {widest} and the largest rate, flow and steps: "
        "weight to the first output.",
        _panels(data, _neurons),
    )
    yield (
        "law",
        "The largest drift of C (C-1) of a neuron over time for each rate, median over starts, at "
        f"width {widest}: as measured, and as C-11 predicts it (at every fifth time).",
        _panels(data, _drift),
    )


def _panels(
    data: xr.Dataset, draw: Callable[[Axes, list[Case]], Legend], headroom: float = 0.0
) -> Figure:
    """Draw a panel for each rule, with a share of logarithmic room above, and one legend."""
    rules = [str(rule) for rule in data["rule"].values]
    columns = min(MOST_COLUMNS, len(rules))
    rows = -(-len(rules) // columns)
    with mpl.rc_context(SETTINGS):
        size = (PANEL_WIDTH * max(columns, 2), PANEL_HEIGHT * rows + 0.5)
        figure = ShownFigure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        legend: dict[str, Line2D] = {}
        for panel, rule in enumerate(rules):
            drawn = draw(axes[panel], [case for case in cases(data) if case.rule == rule])
            legend = dict(drawn) | legend
            axes[panel].set_title(rule)
            axes[panel].label_outer()
        if headroom:
            low, high = axes[0].get_ylim()
            axes[0].set_ylim(low, high * (high / low) ** headroom)
        for empty in axes[len(rules) :]:
            empty.set_visible(False)
        figure.legend(
            list(legend.values()),
            list(legend),
            loc="outside lower center",
            ncols=min(4, len(legend)),
            frameon=False,
        )
    return figure


def _against_rate(axes: Axes, of_rule: list[Case]) -> Legend:
    color = rule_styles([of_rule[0].rule])[of_rule[0].rule].color
    legend: Legend = []
    edges: Legend = []
    for index, case in enumerate(of_rule):
        momentum, rate = case.data["momentum"].values, case.data["rate"].values
        chosen = np.flatnonzero((momentum == momentum[0]) & np.isfinite(rate))
        chosen = chosen[np.argsort(rate[chosen])]
        values = case.last("parameters")[:, chosen]
        middle, low, high = _spread(values)
        shade = 0.35 + 0.65 * (index + 1) / len(of_rule)
        axes.plot(rate[chosen], middle, "o-", markersize=3, color=color, alpha=shade, linewidth=1.2)
        axes.fill_between(rate[chosen], low, high, color=color, alpha=0.15 * shade, linewidth=0)
        lost = (case.data["diverged_step"].values[:, chosen] >= 0).any(0)
        # Where all starts diverge there is no median, and the cross stands at the lowest one.
        height = np.where(np.isfinite(middle), middle, np.nanmin(middle, initial=np.inf))
        axes.plot(rate[chosen][lost], height[lost], "x", color=color, markersize=7)
        edge = float(case.edges[case.main[0]])
        if edge < 3.0 * rate[chosen].max():
            axes.axvline(edge, color=color, alpha=shade, linewidth=0.7, linestyle="--")
            edges = [("stability edge", _line(linestyle="--", linewidth=0.7))]
        legend.append((f"width {case.architecture}", _line(marker="o", alpha=shade)))
    case = of_rule[-1]
    plain = case.data["rate"].values[case.main]
    level = _spread(case.last("parameters")[:, case.main[-1:]])[0][0]
    axes.plot(plain, level * plain / plain[-1], linestyle=":", color=GREY, linewidth=1.2)
    axes.set(xscale="log", yscale="log", xlabel="rate", ylabel=DEVIATION)
    _label_rates(axes, plain)
    slopes = "\n".join(_fitted(case) for case in of_rule)
    axes.text(0.03, 0.98, slopes, transform=axes.transAxes, fontsize=6.5, va="top")
    return [*legend, ("slope 1", _line(linestyle=":")), *edges]


def _label_rates(axes: Axes, rates: np.ndarray) -> None:
    """Put labels at the rates, and at round numbers beyond them, but at none too near another."""
    low, high = axes.get_xlim()
    beyond = [digit * 10.0**power for power in range(-9, 10) for digit in (1.0, 2.0, 5.0)]
    wanted = [*np.sort(rates), *(rate for rate in beyond if rates.max() < rate <= high)]
    labelled: list[float] = []
    for rate in wanted:
        if not labelled or rate >= max(1.9, (high / low) ** 0.15) * labelled[-1]:
            labelled.append(float(rate))
    axes.set_xticks(labelled, [f"{rate:.3g}" for rate in labelled])
    axes.set_xticks([], minor=True)


def _fitted(case: Case) -> str:
    """Return the fitted slope of a width with its interval."""
    slope = slope_of(case, "parameters", float(case.data["momentum"].values[0]))
    if slope is None:
        return f"width {case.architecture}: no slope"
    interval = "" if np.isnan(slope.low) else f" [{slope.low:.3f}, {slope.high:.3f}]"
    return f"width {case.architecture}: slope {slope.slope:.3f}{interval}"


def _over_time(axes: Axes, of_rule: list[Case]) -> Legend:
    case, legend = of_rule[-1], []
    for variant, color in _shades(case):
        of_rate = case.data.isel(variant=variant)
        middle, low, high = _spread(of_rate["parameters"].values)
        time = of_rate["time"].values
        axes.plot(time, middle, color=color, linewidth=1.2)
        axes.fill_between(time, low, high, color=color, alpha=0.2, linewidth=0)
        axes.plot(time, _spread(of_rate["warped"].values)[0], ":", color=color, linewidth=1.0)
        legend.append((f"rate {float(of_rate['rate']):.3g}", _line(color=color)))
    axes.set(yscale="log", xlabel="time", ylabel=DEVIATION)
    return [*legend, ("time-warped", _line(linestyle=":"))]


def _against_width(axes: Axes, of_rule: list[Case]) -> Legend:
    names, legend = [case.architecture for case in of_rule], []
    numbers = all(name.isdecimal() for name in names)
    widths = [int(name) if numbers else position for position, name in enumerate(names)]
    for variant, color in _shades(of_rule[0]):
        columns = [_spread(case.last("parameters")[:, [variant]]) for case in of_rule]
        middle, low, high = (np.array([float(c[k][0]) for c in columns]) for k in range(3))
        axes.plot(widths, middle, "o-", markersize=3, color=color, linewidth=1.2)
        axes.fill_between(widths, low, high, color=color, alpha=0.2, linewidth=0)
        rate = float(of_rule[0].data["rate"].values[variant])
        legend.append((f"rate {rate:.3g}", _line(color=color, marker="o")))
    axes.set(xscale="log" if numbers else "linear", yscale="log", xlabel="width", ylabel=DEVIATION)
    axes.set_xticks(widths, names)
    axes.set_xticks([], minor=True)
    return legend


def _neurons(axes: Axes, of_rule: list[Case]) -> Legend:
    of_rate, legend = of_rule[-1].data.isel(variant=int(of_rule[-1].main[0])), []
    for column, neuron in enumerate(of_rate["shown_neuron"].values):
        flow, steps = (of_rate[f"shown_out_{kind}"].values[:, column] for kind in ("flow", "steps"))
        if not np.isfinite(flow).any():
            continue
        color, time = NEURON_COLORS[column % len(NEURON_COLORS)], of_rate["time"].values
        axes.plot(time, flow, color=color, linewidth=1.1)
        axes.plot(time, steps, ".", color=color, markersize=3.5)
        legend.append((f"neuron {int(neuron)}", _line(color=color)))
    axes.set(xlabel="time", ylabel="output weight")
    return [
        *legend,
        ("flow", _line()),
        ("steps", _line(linestyle="none", marker=".")),
    ]


def _drift(axes: Axes, of_rule: list[Case]) -> Legend:
    case, legend = of_rule[-1], []
    for variant, color in _shades(case):
        of_rate = case.data.isel(variant=variant)
        time = of_rate["time"].values
        axes.plot(time, _spread(of_rate["law_drift"].values)[0], color=color, linewidth=1.2)
        axes.plot(time[::5], _spread(of_rate["law_predicted"].values)[0][::5], ".", color=color)
        legend.append((f"rate {float(of_rate['rate']):.3g}", _line(color=color)))
    axes.set(yscale="log", xlabel="time", ylabel="largest drift of C")
    return [*legend, ("C-11", _line(linestyle="none", marker="."))]


def _line(**style: Any) -> Line2D:
    """Return a line for the legend, dark grey if not said otherwise."""
    default: dict[str, Any] = {"color": GREY, "markersize": 4.0, "linewidth": 1.2}
    return Line2D([], [], **(default | style))


def _shades(case: Case) -> Iterator[tuple[int, str]]:
    """Yield some variants of plain rates, the largest first, in greys from light to black."""
    chosen = np.linspace(0, len(case.main) - 1, min(MOST_RATES, len(case.main))).round()
    for index, variant in enumerate(case.main[chosen.astype(int)]):
        level = 0.72 * (1.0 - (index + 1) / len(chosen))
        yield int(variant), to_hex((level, level, level))


def _spread(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return median and quartiles over starts; NaN where all are."""
    good = np.isfinite(values)
    safe = np.where(good.any(0), np.where(good, values, np.nan), 0.0)
    low, middle, high = np.where(good.any(0), np.nanpercentile(safe, [25, 50, 75], axis=0), np.nan)
    return middle, low, high

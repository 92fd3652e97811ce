"""One panel: the curves of all rules over time, with the marks that every panel shares."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from flowfa.plots.curves import RuleCurves, is_log_spaced
from flowfa.plots.style import BOUND_DASHES, RuleStyle, rule_styles

_FORMULA = re.compile(r"\b[A-Z]_(\{[^}]*\}|\w)(\^T)?")
"""Symbols of the theory in a plain text: W_l, D_{l-1}^T."""
# Up to this many trajectories of a rule each has a thin line of its own; more become a band.
FEW_TRAJECTORIES = 4


def draw_panel(
    axes: Axes,
    curves: Sequence[RuleCurves],
    title: str,
    value_label: str,
    *,
    log: bool = False,
) -> None:
    """Draw the median of each rule, and its trajectories as thin lines or as a band.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    curves : sequence of RuleCurves
        One quantity of each rule.
    title, value_label : str
        Title of the panel and label of its vertical axis.
    log : bool
        Logarithmic vertical axis. Values that are zero or negative have no place on it: they are
        left out of the lines, and a rule whose values are all zero is named in the panel.
    """
    axes.set_title(fitted_title(axes, title))
    axes.set_ylabel(value_label)
    _set_time_axis(axes, curves)
    drawn = [series for series in curves if series.recorded]
    if not drawn:
        _note(axes, "not recorded")
        return
    styles = rule_styles(series.rule for series in curves)
    at_zero = []
    for series in drawn:
        if log and not (series.values > 0).any():
            at_zero.append(series.rule)
        else:
            _draw_rule(axes, series, styles[series.rule], log)
    if at_zero:
        _note(axes, f"exactly 0: {', '.join(at_zero)}")
    if all(series.whole_numbers for series in drawn):
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    if log and len(at_zero) < len(drawn):
        axes.set_yscale("log")
        _thin_log_ticks(axes)


def draw_ranked(
    axes: Axes, curves: Sequence[RuleCurves], ranks: int, title: str, value_label: str
) -> None:
    """Draw values that are ordered by their size, such as eigenvalues: a line for each rank.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    curves : sequence of RuleCurves
        The values of a rule have all ranks of each trajectory in a row.
    ranks : int
    title, value_label : str
    """
    axes.set_title(fitted_title(axes, f"{title}, medians"))
    axes.set_ylabel(value_label)
    _set_time_axis(axes, curves)
    styles = rule_styles(series.rule for series in curves)
    for series in curves:
        style = styles[series.rule]
        by_rank = series.values.reshape(-1, ranks, len(series.times))
        for rank in range(ranks):
            of_rank = replace(series, values=by_rank[:, rank])
            axes.plot(
                series.times,
                of_rank.summary()[1],
                color=style.color,
                linestyle=style.dashes,
                linewidth=style.width * (0.35 + 0.65 * 0.6**rank),
                zorder=2.5,
                gid=f"rank-{rank}-{series.rule}",
            )


def fitted_title(axes: Axes, title: str) -> str:
    """Return a title in lines that the panel is wide enough for, with formulas as formulas."""
    figure = axes.get_figure(root=True)
    inches = 3.0 if figure is None else figure.get_figwidth() * axes.get_position().width
    width = max(24, int(17.5 * inches))
    lines = textwrap.wrap(title, width, break_long_words=False, break_on_hyphens=False)
    return "\n".join(_FORMULA.sub(lambda match: f"${match[0]}$", line) for line in lines)


def draw_bound(axes: Axes, bound: float, style: RuleStyle) -> None:
    """Draw a lower bound as a dotted horizontal line in the colour of its rule.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    bound : float
        The bound; nothing is drawn if it is NaN.
    style : RuleStyle
        The look of the rule.
    """
    if np.isfinite(bound):
        axes.axhline(
            bound, color=style.color, linestyle=BOUND_DASHES, linewidth=1.4, zorder=2.2, gid="bound"
        )


def _draw_rule(axes: Axes, curves: RuleCurves, style: RuleStyle, log: bool) -> None:
    low, median, high = curves.summary()
    count = len(curves.values)
    # What counts jumps from one whole number to the next.
    counted = curves.whole_numbers
    drawn_as = "steps-post" if counted else "default"
    if log:
        # Zeros within the band are drawn at the least positive value, so that it has no holes.
        floor = curves.values[curves.values > 0].min()
        low = np.where(low > 0, low, np.where(high > 0, floor, np.nan))
        high = np.where(high > 0, high, np.nan)
        median = np.where(median > 0, median, np.nan)
    times = curves.times
    if count > FEW_TRAJECTORIES:
        axes.fill_between(
            times,
            low,
            high,
            color=style.color,
            alpha=0.16,
            linewidth=0,
            zorder=1.8,
            step="post" if counted else None,
            gid="band",
        )
    elif count > 1:
        for row in curves.values:
            axes.plot(
                times,
                np.where(row > 0, row, np.nan) if log else row,
                color=style.color,
                linewidth=0.6,
                alpha=0.55,
                zorder=2,
                drawstyle=drawn_as,
                gid="thin",
            )
    axes.plot(
        times,
        median,
        color=style.color,
        linestyle=style.dashes,
        linewidth=style.width,
        zorder=2.5,
        drawstyle=drawn_as,
        gid=f"median-{curves.rule}",
    )
    end_times, end_values = curves.last_values()
    placed = end_values > 0 if log else np.full(len(end_values), True)
    axes.plot(
        end_times[placed],
        end_values[placed],
        linestyle="none",
        marker="x",
        markersize=5.5,
        markeredgewidth=1.4,
        color=style.color,
        zorder=3,
        gid=f"ended-{curves.rule}",
    )


def _set_time_axis(axes: Axes, curves: Sequence[RuleCurves]) -> None:
    """Label the time axis, and make it logarithmic if the save times are spaced that way."""
    axes.set_xlabel(curves[0].time_label if curves else "flow time $t$")
    if not curves:
        return
    times = np.unique(np.concatenate([series.times for series in curves]))
    if is_log_spaced(curves[0].times):
        positive = times[times > 0]
        axes.set_xscale("log")
        axes.set_xlim(positive[0], positive[-1])
    elif len(times) > 1:
        axes.set_xlim(times[0], times[-1])


def _thin_log_ticks(axes: Axes) -> None:
    """Label whole decades where the range has some; within one decade keep matplotlib's ticks."""
    low, high = axes.get_ylim()
    if high / low >= 100.0:
        axes.yaxis.set_major_locator(LogLocator(numticks=7))
        axes.yaxis.set_minor_formatter(NullFormatter())


def _note(axes: Axes, text: str) -> None:
    """Write a remark into an empty corner of the panel."""
    axes.text(0.98, 0.04, text, transform=axes.transAxes, ha="right", va="bottom", color="#555555")

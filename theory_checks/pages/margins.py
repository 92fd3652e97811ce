"""Margins over time: of each statement, for the worst trajectory of each rule."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from flowfa.plots.sheet import Draw
from flowfa.plots.style import rule_styles
from theory_checks.pages.grid import signed_log_axis
from theory_checks.verdicts.traces import Trace

TITLE_WIDTH = 42
"""Letters of a title that fit above a panel."""
MOST_POINTS = 400
"""Most points of a line: a reader cannot tell more apart in a panel."""


def margin_panels(margins: Mapping[str, Sequence[Trace]]) -> list[Draw]:
    """Return a panel for each statement and each of the ways in which it was measured over time.

    What is measured only once, of the data or the start, has no panel; the table has its margin.
    """
    panels: list[Draw] = []
    for spec, traces in margins.items():
        for note in dict.fromkeys(trace.note for trace in traces):
            worst = worst_of_rules([trace for trace in traces if trace.note == note])
            if all(len(trace.time) < 2 for trace in worst):
                continue
            title = spec if not note else f"{spec}: {note}"
            panels.append(lambda axes, title=title, worst=worst: _draw(axes, title, worst))
    return panels


def worst_of_rules(traces: Sequence[Trace]) -> list[Trace]:
    """Return the worst trajectory of each rule; see `Trace.rank`."""
    by_rule: dict[str, Trace] = {}
    for trace in traces:
        if trace.rule not in by_rule or trace.rank < by_rule[trace.rule].rank:
            by_rule[trace.rule] = trace
    return list(by_rule.values())


def _draw(axes: Axes, title: str, traces: Sequence[Trace]) -> None:
    axes.set_title("\n".join(textwrap.wrap(title, TITLE_WIDTH)))
    axes.set_xlabel("flow time $t$")
    axes.set_ylabel("margin")
    styles = rule_styles(trace.rule for trace in traces)
    drawn = []
    for trace in traces:
        time, margin, off = _thinned(trace)
        style = styles[trace.rule]
        axes.fill_between(
            time, margin - off, margin + off, color=style.color, alpha=0.16, linewidth=0
        )
        marker = "o" if len(time) < 12 else None
        axes.plot(
            time,
            margin,
            color=style.color,
            linestyle=style.dashes,
            linewidth=1.4,
            marker=marker,
            markersize=3,
        )
        drawn += [margin, margin - off, margin + off]
    values = np.concatenate(drawn)
    if not np.isfinite(values).any():
        axes.text(0.5, 0.5, "no numbers", transform=axes.transAxes, ha="center", color="#555555")
        return
    signed_log_axis(axes, values)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    bottom, _ = axes.get_ylim()
    if bottom < 0.0:
        axes.axhspan(bottom, 0.0, color="#D00000", alpha=0.07, linewidth=0, zorder=0)
    axes.axhline(0.0, color="#444444", linewidth=0.9)


def _thinned(trace: Trace) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return at most about `MOST_POINTS` points: of neighbours the one with least room."""
    parts = (trace.time, trace.margin, trace.uncertainty)
    count = len(trace.time)
    if count <= MOST_POINTS:
        return parts
    room = np.nan_to_num(trace.margin - trace.uncertainty, nan=-np.inf)
    edges = np.linspace(0, count, MOST_POINTS + 1).astype(int)
    parts_of_line = itertools.pairwise(edges.tolist())
    chosen = np.array([low + int(room[low:high].argmin()) for low, high in parts_of_line])
    return trace.time[chosen], trace.margin[chosen], trace.uncertainty[chosen]

"""How figures look: colours and dashes of the rules, sizes for print."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from matplotlib.lines import Line2D

# Okabe and Ito's palette, safe for the common colour deficiencies. Every rule also has dashes of
# its own, so that the figure survives a black-and-white printer and lines that lie on each other.
_FIXED = {
    "gd": ("#000000", (0, ())),
    "fa": ("#D55E00", (0, (5, 1.8))),
    "adafa": ("#0072B2", (0, (6, 1.4, 1.2, 1.4))),
    "signfa": ("#009E73", (0, (2.6, 1.0))),
    "dfa": ("#CC79A7", (0, (6, 1.4, 1.2, 1.4, 1.2, 1.4))),
    "frsf": ("#E69F00", (0, (10, 2))),
    "brsf": ("#B3A000", (0, (3, 1.2, 1.2, 1.2, 1.2, 1.2))),
}
_SPARE = (
    ("#56B4E9", (0, (14, 2))),
    ("#7F7F7F", (0, (2, 2, 6, 2))),
    ("#8C5A2B", (0, (1, 2.5))),
)

#: Dots, which no rule has, for the bounds of P-1 and L-1.
BOUND_DASHES = (0, (1, 1.6))

#: Settings of matplotlib under which every figure is drawn: about 9 points at text width.
SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.5,
    "figure.titlesize": 10.0,
    "figure.dpi": 100.0,
    "savefig.dpi": 200.0,
    "axes.grid": True,
    "axes.grid.which": "major",
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "flowfa",
}

STYLES = ("screen", "paper")
"""How figures look: with titles and IDs, or as papers want them, whose captions say these."""
PAPER_SETTINGS: dict[Any, Any] = {
    **SETTINGS,
    "font.size": 8.0,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 7.5,
    "axes.grid": False,
    "savefig.dpi": 600.0,
}
"""Settings at the sizes of journals, about 8 points in a figure that is not scaled."""
COLUMN = 3.3
PAGE = 6.9
"""Widths of one and of two columns in inches (84 and 175 mm)."""

PANEL_WIDTH = 3.1
PANEL_HEIGHT = 2.45


@dataclass(frozen=True)
class RuleStyle:
    """How the lines of one rule look.

    Parameters
    ----------
    color : str
        Hexadecimal colour.
    dashes : tuple
        A matplotlib line style.
    width : float
        Of the median. Of variants of a rule later ones are thinner and on top, so that lines which
        lie on each other are all seen.
    """

    color: str
    dashes: tuple[float, tuple[float, ...]]
    width: float = 1.7


def rule_styles(rules: Iterable[str]) -> dict[str, RuleStyle]:
    """Return a style for each rule; built-in rules look the same in every figure.

    Parameters
    ----------
    rules : iterable of str
        Names of rules; those that flowfa does not know share the spare styles in turn. Variants
        of a rule, named after a comma (``"fa, rate 0.1"``), get ever lighter shades of its colour.
    """
    styles: dict[str, RuleStyle] = {}
    spares: dict[str, RuleStyle] = {}
    names = list(dict.fromkeys(rules))
    families = [name.partition(",")[0] for name in names]
    for position, (name, family) in enumerate(zip(names, families, strict=True)):
        if family in _FIXED:
            style = RuleStyle(*_FIXED[family])
        else:
            spare = RuleStyle(*_SPARE[len(spares) % len(_SPARE)])
            style = spares.setdefault(family, spare)
        variants = families.count(family)
        shade = families[:position].count(family) / variants
        width = 1.7 if variants == 1 else 2.6 - 1.4 * shade
        styles[name] = RuleStyle(_lighter(style.color, 0.75 * shade), style.dashes, width)
    return styles


def rule_lines(rules: Iterable[str]) -> list[Line2D]:
    """Return what a legend shows of rules."""
    return [
        Line2D([], [], color=style.color, linestyle=style.dashes, linewidth=style.width, label=rule)
        for rule, style in rule_styles(rules).items()
    ]


def _lighter(color: str, share: float) -> str:
    """Return a colour mixed with a share of white."""
    channels = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(channel + (255 - channel) * share):02X}" for channel in channels)

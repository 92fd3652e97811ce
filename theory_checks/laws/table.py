"""The table of docs/theory/laws.md: how many laws each built-in rule has, counted by the code."""

from __future__ import annotations

from pathlib import Path

from flowfa.files.atomic import replacing
from flowfa.problems.activations import Activation, Identity, LeakyReLU
from theory_checks.laws.counting.rank import count_laws
from theory_checks.laws.motion.dynamics import Dynamics

RULES = (
    "gd",
    "fa",
    "adafa",
    "signfa",
    "frsf",
    "kolen-pollack",
    "low-rank-fa",
    "dfa",
    "low-rank-dfa",
    "drtp",
    "brsf",
)
SIZES = ((3, 4, 2), (3, 4, 3, 2), (3, 4, 3, 3, 2))
"""Depth 2, 3 and 4."""
ACTIVATIONS: tuple[tuple[str, Activation], ...] = (
    ("leaky ReLU", LeakyReLU(0.1)),
    ("identity", Identity()),
)
BEGIN, END = "<!-- table of laws: begin -->", "<!-- table of laws: end -->"


def law_table() -> str:
    """Return the table as Markdown: laws of parameters."""
    header = ["rule", "activation", "bias"]
    header += ["-".join(map(str, sizes)) for sizes in SIZES]
    rows = [f"| {' | '.join(header)} |", "| -- | -- | -- | -- | -- | -- |"]
    for rule in RULES:
        rows += rows_of(rule)
    return "\n".join(rows)


def rows_of(rule: str) -> list[str]:
    """Return the rows of one rule."""
    rows = []
    for name, activation in ACTIVATIONS:
        for bias in ("none", "all"):
            counts = [_count(rule, sizes, activation, bias) for sizes in SIZES]
            rows.append(f"| {rule} | {name} | {bias} | {' | '.join(counts)} |")
    return rows


def write_table(page: Path) -> None:
    """Put the table between its marks in a page."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    with replacing(page) as partial:
        partial.write_text(f"{before}{BEGIN}\n\n{law_table()}\n\n{END}{after}", encoding="utf-8")


def _count(rule: str, sizes: tuple[int, ...], activation: Activation, bias: str) -> str:
    has_bias = (bias == "all",) * (len(sizes) - 1)
    counted = count_laws(Dynamics(rule, sizes, activation, has_bias))  # pyright: ignore[reportArgumentType]
    return f"{counted.laws} of {counted.parameters}"

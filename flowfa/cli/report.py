"""The summary of a run as plain aligned text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

MOST_LISTED = 8
"""Most trajectories named in a line about failures; of the others it gives the number."""

_COLUMNS = (
    ("loss", "loss"),
    ("accuracy", "accuracy"),
    ("alignment", "alignment"),
    ("conservation_drift", "C-1 drift"),
    ("cosine", "cos phi"),
    ("gradient_norm", "|grad|"),
    ("update_norm", "|G|"),
    ("steps", "steps"),
    ("rejected", "rejected"),
    ("evaluations", "evals"),
)


def rule_table(summary: dict[str, Any]) -> list[str]:
    """Return a table with a line for each rule.

    Parameters
    ----------
    summary : dict
        What `Run.summary` returns.

    Returns
    -------
    list of str
        The lines, with a note on what the columns are.
    """
    rows = [["rule", "status", *(title for _, title in _COLUMNS)]]
    for rule, entry in summary["rules"].items():
        statuses = ", ".join(f"{count} {status}" for status, count in entry["statuses"].items())
        rows.append([rule, statuses, *(number(entry.get(name)) for name, _ in _COLUMNS)])
    return [
        *aligned(rows, left=2),
        "medians over trajectories at the end; C-1 drift: the worst of all times and neurons; "
        "dLoss/dt = -cos phi |grad| |G|",
    ]


def failure_lines(summary: dict[str, Any]) -> list[str]:
    """Return a line for each way in which trajectories of a rule failed or were stopped.

    Parameters
    ----------
    summary : dict
        What `Run.summary` returns.
    """
    kinds: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for failure in (*summary["failures"], *summary.get("stopped", ())):
        kinds.setdefault((failure["rule"], failure["status"]), []).append(failure)
    lines = []
    for (rule, status), failures in kinds.items():
        earliest = min(failures, key=lambda failure: failure["t_reached"])
        numbers = listed([failure["trajectory"] for failure in failures])
        noun = "trajectory" if len(failures) == 1 else "trajectories"
        lines.append(
            f"{status}: {rule}, {noun} {numbers}; trajectory {earliest['trajectory']} at "
            f"t = {earliest['t_reached']:.4g} {earliest['message']}"
        )
    return lines


def listed(numbers: Sequence[int]) -> str:
    """Return numbers in words, the first few and how many more."""
    shown = ", ".join(map(str, numbers[:MOST_LISTED]))
    more = len(numbers) - MOST_LISTED
    return f"{shown} and {more} more" if more > 0 else shown


def number(value: float | None) -> str:
    """Return a number in few characters; ``-`` for one that is not there."""
    if value is None:
        return "-"
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.3g}"


def aligned(rows: Sequence[Sequence[str]], left: int) -> list[str]:
    """Return rows as lines with columns of equal width, the first `left` of them left-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def cells(row: Iterable[str]) -> Iterable[str]:
        for position, (cell, width) in enumerate(zip(row, widths, strict=True)):
            yield cell.ljust(width) if position < left else cell.rjust(width)

    return ["  ".join(cells(row)).rstrip() for row in rows]

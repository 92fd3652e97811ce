"""The report that a person or a program reads."""

from __future__ import annotations

import math
import sys
import textwrap
from dataclasses import dataclass, field
from html import escape
from typing import Any

from flowfa.documents.display import display_html, html_table
from theory_checks.verdicts.finding import Finding, number
from theory_checks.verdicts.verdict import Verdict

WIDTH = 100
"""Columns of a terminal that does not say how many it has."""
NARROWEST = 16
"""Columns below which a cell is not broken into lines."""
UNBROKEN = "\xa0=\xa0"
EXIT_CODES = {
    Verdict.NOT_APPLICABLE: 0,
    Verdict.HOLDS: 0,
    Verdict.VIOLATED: 1,
    Verdict.INCONCLUSIVE: 2,
}


@dataclass(frozen=True)
class Report:
    """The findings on a run.

    Attributes
    ----------
    findings : tuple of Finding
    notes : tuple of str
        What concerns all of them: trajectories that ended early, files that do not reproduce.
    evidence : str
        What they rest on: solver and tolerances.
    """

    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    evidence: str = ""
    _by_spec: dict[str, Finding] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._by_spec.update({finding.spec: finding for finding in self.findings})

    def __getitem__(self, spec: str) -> Finding:
        """Return the finding on a statement, by its ID."""
        return self._by_spec[spec]

    @property
    def exit_code(self) -> int:
        """0 if every statement that applies holds, 1 if one is violated, 2 if one is open."""
        codes = {EXIT_CODES[finding.verdict] for finding in self.findings}
        return 1 if 1 in codes else max(codes, default=0)

    def to_json_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it: no NaN, no infinity."""
        document = {
            "findings": [finding.to_json_dict() for finding in self.findings],
            "notes": list(self.notes),
            "evidence": self.evidence,
            "exit_code": self.exit_code,
        }
        return _plain(document)

    def __str__(self) -> str:
        """Return the table and the explanations for a terminal of 100 columns."""
        return "\n".join([*self.table(), *self.explanations()])

    def __repr__(self) -> str:
        """Return the table alone."""
        return "\n".join(self.table())

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the rows of the statements that apply."""
        header, *rows = self._rows(only_applicable=True)
        note = " ".join([*self.notes, self.evidence])
        return html_table(self._summary(), header, rows, note)

    def show(self) -> None:
        """Show the report: in a notebook as a table with all explanations, else as text."""
        if display_html(self._page()):
            return
        sys.stdout.write(f"{self}\n")

    def _page(self) -> str:
        """Return the table and the explanations as HTML."""
        explained = "".join(f"<li>{escape(line)}</li>" for line in self._explained())
        return f"{self._repr_html_()}<ul>{explained}</ul>"

    def table(self, width: int = WIDTH, only_applicable: bool = False) -> list[str]:
        """Return the lines of the table, and of a summary by verdict.

        Parameters
        ----------
        width : int
            Of the terminal.
        only_applicable : bool
            Leave out the rows of statements that do not apply; the summary names them.
        """
        rows = self._rows(only_applicable)
        if len(rows) == 1:
            return _wrapped(self._summary(), width, 2)
        widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
        lines = []
        for row in rows:
            start = "".join(cell.ljust(size + 2) for cell, size in zip(row, widths, strict=False))
            lines += _wrapped(start + row[-1], width, len(start))
        return [*lines, *_wrapped(self._summary(), width, 2)]

    def explanations(self, width: int = WIDTH) -> list[str]:
        """Return the lines that say what was tested, what the numbers are, and what they rest on.

        Parameters
        ----------
        width : int
            Of the terminal.
        """
        texts = self._explained()
        texts += [
            f"{finding.spec} measured {number}"
            for finding in self.findings
            for number in finding.estimates
        ]
        texts += [*self.notes, *([self.evidence] if self.evidence else [])]
        return [line for text in texts for line in _wrapped(text, width, 2)]

    def _rows(self, only_applicable: bool) -> list[tuple[str, ...]]:
        """Return the cells of the table, the header first."""
        rows = [("statement", "verdict", "margin", "uncertainty", "where the margin is least")]
        rows += [
            (
                finding.spec,
                _shown(finding.verdict),
                number(finding.margin),
                number(finding.uncertainty),
                finding.where,
            )
            for finding in self.findings
            if finding.verdict is not Verdict.NOT_APPLICABLE or not only_applicable
        ]
        return rows

    def _explained(self) -> list[str]:
        return [f"{finding.spec}: {_explain(finding)}" for finding in self.findings]

    def _summary(self) -> str:
        """Name the statements by verdict, the worst verdict first."""
        parts = []
        for verdict in reversed(Verdict):
            specs = [finding.spec for finding in self.findings if finding.verdict is verdict]
            if specs:
                parts.append(f"{_shown(verdict)}: {', '.join(specs)}")
        return "; ".join(parts)


def _shown(verdict: Verdict) -> str:
    """Return the word of a verdict, loud where a statement fails."""
    return verdict.value.upper() if verdict is Verdict.VIOLATED else verdict.value


def _wrapped(text: str, width: int, indent: int) -> list[str]:
    """Break a text into lines, all but the first indented."""
    if indent > width - NARROWEST:
        return [text]
    lines = textwrap.wrap(
        # "t = 100" stays in one line.
        text.replace(" = ", UNBROKEN),
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(UNBROKEN, " = ") for line in lines]


def _explain(finding: Finding) -> str:
    """Say in a line what was tested, on how many trajectories, and what the numbers are."""
    counts = ", ".join(f"{count} {word}" for word, count in finding.trajectories.items())
    parts = [f"{finding.statement} ({counts})"]
    if finding.sentence:
        parts.append(finding.sentence)
    if finding.reason:
        parts.append(f"inconclusive: {finding.reason}")
    if finding.unless is not None:
        parts.append(f"does not apply unless {finding.unless}")
    return "; ".join(parts)


def _plain(value: Any) -> Any:
    """Return `value` with None for NaN and infinities, which JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value

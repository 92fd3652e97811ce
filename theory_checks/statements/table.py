"""The table of all statements: ID, file, test and negative controls, as the documentation has it.

``python -m theory_checks.statements.table docs/reference/checks.md`` writes it into the page anew.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from flowfa.errors import InputError
from flowfa.files.atomic import replacing
from theory_checks.statements.statement import CHECKS, Check

BEGIN = "<!-- table of statements: begin -->"
END = "<!-- table of statements: end -->"
FILES = "theory_checks/statements/"
TESTS = "tests/theory_checks/statements/"
"""Folders that the page names once, above the table."""


@dataclass(frozen=True)
class Entry:
    """Where a statement is, and what shows that its check can fail.

    Attributes
    ----------
    spec : str
        The statement's ID in the list of the theory.
    statement : str
        It in words.
    file : str
        The file of its check, from the root of the repository.
    test : str
        The file of the test of the check, which mirrors that.
    controls : tuple of str
        Names of the flows that the check must call violated.
    """

    spec: str
    statement: str
    file: str
    test: str
    controls: tuple[str, ...]

    @property
    def named_for_it(self) -> bool:
        """Whether the file has the statement's ID in its name: ``c1_per_neuron.py`` for C-1."""
        prefix = self.spec.lower().replace("-", "")
        return Path(self.file).stem.split("_")[0] == prefix


def entry_of(check: type[Check]) -> Entry:
    """Return the entry of a check."""
    folders = check.__module__.split(".")
    return Entry(
        check.spec,
        check.statement,
        "/".join(folders) + ".py",
        "/".join(["tests", *folders[:-1], f"test_{folders[-1]}.py"]),
        tuple(check().controls()),
    )


def statement_entries() -> tuple[Entry, ...]:
    """Return the entry of every registered statement, in the order of a report."""
    return tuple(entry_of(CHECKS.get(name)) for name in CHECKS.names())


def statement_table() -> str:
    """Return the table in Markdown."""
    lines = ["| ID | file | test | negative controls |", "| -- | -- | -- | -- |"]
    for entry in statement_entries():
        file, test = entry.file.removeprefix(FILES), entry.test.removeprefix(TESTS)
        controls = ", ".join(entry.controls)
        lines.append(f"| `{entry.spec}` | `{file}` | `{test}` | {controls} |")
    return "\n".join(lines)


def with_table(text: str) -> str:
    """Return the text of a page with the table between its two markers.

    Raises
    ------
    InputError
        If the markers are not there.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InputError(f"the page has no place for the table: put {BEGIN} and {END} into it")
    return f"{before}{BEGIN}\n\n{statement_table()}\n\n{END}{after}"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    text = with_table(page.read_text(encoding="utf-8"))
    with replacing(page) as partial:
        partial.write_text(text, encoding="utf-8")

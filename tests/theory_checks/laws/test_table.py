"""The table of docs/theory/laws.md is what the code counts."""

from __future__ import annotations

import pytest

from tests.support.rooms import ROOT
from theory_checks.laws.table import BEGIN, END, RULES, rows_of, write_table

PAGE = ROOT / "docs" / "theory" / "laws.md"


@pytest.mark.parametrize("rule", RULES)
def test_the_page_has_the_counts_of_each_rule(rule):
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith(f"| {rule} |")] == rows_of(rule)


def test_the_page_has_no_other_rows():
    table = PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0].strip().splitlines()
    assert len(table) == 2 + 4 * len(RULES)


def test_the_table_goes_between_its_marks(tmp_path, monkeypatch):
    monkeypatch.setattr("theory_checks.laws.table.law_table", lambda: "TABLE")
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    write_table(page)
    assert page.read_text(encoding="utf-8") == f"before\n{BEGIN}\n\nTABLE\n\n{END}\nafter\n"

"""Every statement cited by ID is stated in docs/theory/statements.md, under an anchor of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
THEORY = ROOT / "docs" / "theory" / "statements.md"
CITING = ("flowfa", "theory_checks", "docs", "benchmarks", "validation", "tests")
CITED = re.compile(r"\b(?:[A-Z]-\d+c?|Eq-\d+)\b")
# Indices (classes 0..K-1, layers 1..L-2), the example in the docs of adding a statement, and the
# name that a damaged report bears in a test.
NO_STATEMENTS = {"K-1", "L-2", "X-1", "Eq-2"}
ANCHORED = re.compile(r"^\(([\w-]+)\)=\n\n(.*(?:\n.+)*)", re.MULTILINE)


def stated(text: str) -> dict[str, str]:
    """Return the paragraph below each anchor, by anchor."""
    return {match[1]: match[2] for match in ANCHORED.finditer(text)}


def cited(text: str) -> set[str]:
    return set(CITED.findall(text)) - NO_STATEMENTS


def citing_files() -> list[Path]:
    files = [ROOT / "README.md", ROOT / "CHANGELOG.md"]
    for folder in CITING:
        files += [path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md")]
    return [path for path in files if "_build" not in path.parts and path != Path(__file__)]


def test_every_cited_id_is_stated_under_its_anchor():
    paragraphs = stated(THEORY.read_text(encoding="utf-8"))
    missing = {
        f"{name} in {path.relative_to(ROOT)}"
        for path in citing_files()
        for name in cited(path.read_text(encoding="utf-8"))
        if not paragraphs.get(name.lower(), "").startswith("**" + name)
    }
    assert not missing


def test_every_link_to_a_statement_goes_to_an_anchor():
    text = THEORY.read_text(encoding="utf-8")
    anchors = set(stated(text)) | {"rules", "model", "solution-concept"}
    link = re.compile(r"\[([^\]]*)\]\((?:[\w./]*/)?statements\.md#([\w-]+)\)")
    followed = set()
    for path in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]:
        for text, anchor in link.findall(path.read_text(encoding="utf-8")):
            assert anchor in anchors, f"{path.name} links to {anchor}"
            followed.add(anchor)
            if CITED.fullmatch(text):
                assert anchor == text.lower(), f"{text} in {path.name} links to {anchor}"
    assert {"c-1", "p-2", "rules"} <= followed


@pytest.mark.parametrize("text", ["by C-99 it holds", "(Z-1)", "Eq-7"])
def test_id_that_is_stated_nowhere_would_be_noticed(text):
    paragraphs = stated(THEORY.read_text(encoding="utf-8"))
    (name,) = cited(text)
    assert name.lower() not in paragraphs

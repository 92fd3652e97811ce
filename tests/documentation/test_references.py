"""The bibliography: each reference says which pages use it, and each page links what it cites."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tests.support.rooms import ROOT

DOCS = ROOT / "docs"
PAGE = DOCS / "theory" / "references.md"
ENTRY = re.compile(r"^\(([\w-]+)\)=\n\n((?:.+\n)+)", re.MULTILINE)


def told(text: str) -> dict[str, set[str]]:
    """Return the pages that each entry says it is used in."""
    pages = re.compile(r"(?:\]\(([\w./-]+\.md)\)|`(gallery/\w+\.py)`)")
    return {
        key: {page or example for page, example in pages.findall(entry)}
        for key, entry in ENTRY.findall(text)
    }


def examples_of(docs: Path, text: str) -> dict[str, set[str]]:
    """Return the examples of the gallery that an entry names and that cite its title."""
    found: dict[str, set[str]] = {}
    for key, entry in ENTRY.findall(text):
        title = re.search(r"\*([^*]+?)\.?\*", " ".join(entry.split()))
        for name in re.findall(r"`(gallery/\w+\.py)`", entry):
            source = " ".join((docs / name).read_text(encoding="utf-8").split()).lower()
            if title and title[1].lower() in source:
                found.setdefault(key, set()).add(name)
    return found


def used(docs: Path) -> dict[str, set[str]]:
    """Return the pages that link to each entry."""
    pages: dict[str, set[str]] = {}
    for page in docs.rglob("*.md"):
        if page.name != PAGE.name and "_build" not in page.parts:
            for key in re.findall(r"references\.md#([\w-]+)\)", page.read_text(encoding="utf-8")):
                place = os.path.relpath(page, docs / "theory")
                pages.setdefault(key, set()).add(place)
    return pages


def test_each_reference_names_the_pages_that_use_it():
    text = PAGE.read_text(encoding="utf-8")
    entries, pages = told(text), used(DOCS)
    for key, examples in examples_of(DOCS, text).items():
        pages.setdefault(key, set()).update(examples)
    assert len(entries) > 15 and entries == pages


def test_an_unused_reference_and_one_that_is_not_listed_would_be_noticed(tmp_path):
    (tmp_path / "theory").mkdir()
    (tmp_path / "theory" / "laws.md").write_text("by [Ax](references.md#ax-1971)")
    entries = told("(ax-1971)=\n\nJ. Ax. Used in [Laws](laws.md).\n")
    assert entries == used(tmp_path) == {"ax-1971": {"laws.md"}}
    assert told("(ax-1971)=\n\nJ. Ax.\n") != used(tmp_path)

"""Start and Guides stay short: what is long belongs to the other rooms."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.rooms import ROOT

MOST_WORDS = 12_000
MOST_WORDS_OF_A_PAGE = 1_500
SHORT_ROOMS = ("start", "guides")


def words(page: Path) -> int:
    """Count what stands between spaces, code and tables included."""
    return len(page.read_text(encoding="utf-8").split())


def short_pages() -> list[Path]:
    return [page for room in SHORT_ROOMS for page in sorted((ROOT / "docs" / room).rglob("*.md"))]


def test_start_and_guides_are_read_in_an_hour():
    counted = {page.stem: words(page) for page in short_pages()}
    assert len(counted) > 20
    assert sum(counted.values()) < MOST_WORDS


@pytest.mark.parametrize("page", short_pages(), ids=lambda page: page.stem)
def test_a_page_has_one_task(page):
    assert words(page) <= MOST_WORDS_OF_A_PAGE


def test_words_are_counted(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Two words\n\n| a | table |\n\n```\ncode here\n```\n")
    assert words(page) == 12

"""Documents as files: one content in two formats, nothing loaded from elsewhere, nothing half."""

from __future__ import annotations

import os
import re

import pytest

from flowfa.documents import (
    Document,
    Heading,
    List,
    Paragraph,
    Picture,
    Table,
    html_page,
    render_html,
    render_markdown,
    write_document,
)
from flowfa.errors import InputError

PNG = b"\x89PNG\r\n\x1a\n"
DOCUMENT = Document(
    "A <title>",
    (
        Paragraph("a < b & c"),
        Heading("Numbers"),
        List(("one", "two")),
        Table("Counts", ("|x|", "y"), (("1", "a | b"),), "A note."),
        Picture("figure.png", PNG, "A caption."),
    ),
)


def test_all_parts_are_in_both_formats():
    html, markdown = render_html(DOCUMENT), render_markdown(DOCUMENT)
    for words in ("Numbers", "one", "two", "Counts", "A note.", "A caption."):
        assert words in html and words in markdown
    assert "a &lt; b &amp; c" in html and "a < b & c" in markdown


def test_html_needs_no_other_file():
    html = render_html(DOCUMENT)
    assert not re.search(r"<link|<script|url\(|src=\"(?!data:)", html)
    assert html.count("<style>") == 1


def test_a_title_is_plain_text():
    assert "<title>A &lt;title&gt;</title>" in html_page("A <title>", "<p>body</p>")
    assert "<p>body</p>" in html_page("A <title>", "<p>body</p>")


def test_a_bar_in_a_cell_does_not_end_it():
    row = next(line for line in render_markdown(DOCUMENT).splitlines() if line.startswith("| 1"))
    assert row == r"| 1 | a \| b |"


def test_the_files_of_a_document_are_its_pictures_and_two_reports(tmp_path):
    files = write_document(DOCUMENT, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in files)
    assert {path.name for path in files} == {"figure.png", "report.html", "report.md"}
    assert (tmp_path / "figure.png").read_bytes() == PNG
    assert (tmp_path / "report.md").read_text() == render_markdown(DOCUMENT)
    assert (tmp_path / "report.html").read_text() == render_html(DOCUMENT)


def test_a_disk_that_is_full_leaves_the_old_report(tmp_path, monkeypatch):
    (tmp_path / "report.html").write_text("old")

    def full(*names):
        raise OSError(28, "no space")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="No space left"):
        write_document(DOCUMENT, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text() == "old"

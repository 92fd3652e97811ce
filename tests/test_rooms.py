"""The house: rooms import one way, the two packages are apart, and files are short."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.support.rooms import PACKAGES, ROOT, arrows, circle, imports, modules, room

MOST_ROOMS = {"flowfa": 22, "theory_checks": 10}
MOST_LINES = 400
FOLDERS = ("flowfa", "theory_checks", "tests", "validation", "benchmarks", "docs")
WIDTH = 100
"""Columns of a line of prose that a diff shows whole."""


def test_rooms_import_one_way():
    assert circle(arrows(ROOT)) == set()


def test_only_the_command_line_knows_the_checks():
    knowing = {a for a, b in arrows(ROOT) if b.startswith("theory_checks")}
    assert {name for name in knowing if name.startswith("flowfa")} == {"flowfa.cli"}
    importers = {a for a, b in imports(ROOT) if room(b).startswith("theory_checks")}
    assert not importers & {"flowfa", "flowfa.__main__"}


def test_rooms_do_not_import_by_way_of_the_front_door():
    """`from flowfa import simulate` in a room would be an arrow that the graph does not show."""
    through = {room(a) for a, b in imports(ROOT) if b == "flowfa" and a.startswith("flowfa.")}
    assert through <= {"flowfa.cli"}


@pytest.mark.parametrize("package", PACKAGES)
def test_there_are_few_rooms(package):
    rooms = {room(name) for name in modules(ROOT) if name.startswith(f"{package}.")}
    assert len(rooms - {f"{package}.__main__"}) <= MOST_ROOMS[package]


def test_no_file_has_a_second_subject():
    files = itertools.chain.from_iterable((ROOT / folder).rglob("*.py") for folder in FOLDERS)
    lines = {str(file.relative_to(ROOT)): file.read_text().count("\n") for file in files}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_tests_lie_in_the_rooms_that_they_test():
    for package in PACKAGES:
        rooms = {file.name for file in (ROOT / package).iterdir() if file.name != "__pycache__"}
        entries = (ROOT / "tests" / package).iterdir()
        folders = {entry.name for entry in entries if entry.is_dir()} - {"__pycache__"}
        assert folders - rooms == set()


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Numbered lines that can be broken: neither code nor a table, without link or formula."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not (
            fenced or line.startswith(("|", "    ", "[", "<")) or "](" in line or "\\" in line
        ):
            yield number, line


def test_lines_of_prose_are_as_long_as_a_diff_can_show():
    written = [page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts]
    pages = [*written, ROOT / "README.md", *(ROOT / "tests").glob("*.md")]
    assert len(written) > 40
    long = [
        f"{page.name}:{number}"
        for page in pages
        for number, line in prose(page.read_text())
        if len(line) > WIDTH
    ]
    assert long == []


def test_a_circle_and_an_arrow_to_the_checks_are_seen(tmp_path):
    sources = {
        "flowfa/__init__.py": "",
        "flowfa/low/part.py": "import math",
        "flowfa/middle/part.py": "from flowfa.low import part",
        "flowfa/high/part.py": "def late():\n    import flowfa.middle.part",
        "theory_checks/statements/part.py": "from flowfa.high.part import late",
    }
    for name, text in sources.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert circle(arrows(tmp_path)) == set()
    (tmp_path / "flowfa/low/part.py").write_text("from flowfa.high import part")
    imports.cache_clear()
    assert circle(arrows(tmp_path)) >= {"flowfa.low", "flowfa.middle", "flowfa.high"}
    (tmp_path / "flowfa/low/part.py").write_text("from theory_checks.statements import part")
    imports.cache_clear()
    assert ("flowfa.low", "theory_checks.statements") in arrows(tmp_path)

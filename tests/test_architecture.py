"""docs/architecture.md draws the rooms as they are: none missing, and imports run downwards."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
PACKAGES = ("flowfa", "theory_checks")


def drawn(package: str) -> dict[str, int]:
    """Return the line of the drawing that each room is on, counted from the top."""
    text = PAGE.read_text(encoding="utf-8")
    block = re.search(rf"```text\n{package}/\n(.*?)```", text, re.DOTALL)
    assert block is not None
    lines = [line for line in block[1].splitlines() if "---" not in line]
    return {room: position for position, line in enumerate(lines) for room in line.split()}


def listed(package: str) -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    section = text.split(f"## Rooms of {package}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def rooms(package: str) -> set[str]:
    entries = (ROOT / package).iterdir()
    return {
        path.stem
        for path in entries
        if (path.suffix == ".py" or (path / "__init__.py").exists())
        and not path.stem.startswith("__")
    }


def imported_rooms(source: str) -> set[tuple[str, str]]:
    """Return (package, room) of everything that a module imports from the two packages."""
    modules: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module in PACKAGES:
            modules += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.append(node.module)
    parts = [module.split(".") for module in modules]
    return {(part[0], part[1]) for part in parts if part[0] in PACKAGES and len(part) > 1}


def imports_of(package: str, room: str) -> set[tuple[str, str]]:
    folder = ROOT / package / room
    files = folder.rglob("*.py") if folder.is_dir() else [folder.with_suffix(".py")]
    found = {target for path in files for target in imported_rooms(path.read_text())}
    return found - {(package, room)}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_room_is_drawn_and_described(package):
    assert set(drawn(package)) == rooms(package)
    assert set(listed(package)) == rooms(package)
    assert len(listed(package)) == len(rooms(package))


@pytest.mark.parametrize("package", PACKAGES)
def test_rooms_import_only_rooms_on_lower_lines(package):
    line = drawn(package)
    upwards = {
        f"{room} imports {target}"
        for room in line
        for owner, target in imports_of(package, room)
        if owner == package and target in line and line[target] <= line[room]
    }
    assert not upwards


def test_only_the_command_line_knows_the_checks():
    knowing = {
        room
        for room in rooms("flowfa")
        if any(owner == "theory_checks" for owner, _ in imports_of("flowfa", room))
    }
    assert knowing == {"cli"}


def test_import_is_seen_in_each_of_its_ways():
    source = (
        "import flowfa.plots\n"
        "def late():\n"
        "    from flowfa import datasets\n"
        "    from flowfa.records.writer import save\n"
    )
    rooms_seen = {("flowfa", "plots"), ("flowfa", "datasets"), ("flowfa", "records")}
    assert imported_rooms(source) == rooms_seen

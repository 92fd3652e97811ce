"""docs/reference/architecture.md draws all rooms, and imports that run downwards."""

from __future__ import annotations

import re

import pytest

from tests.support.rooms import PACKAGES, ROOT, arrows

PAGE = (ROOT / "docs" / "reference" / "architecture.md").read_text(encoding="utf-8")


def drawn(package: str) -> dict[str, int]:
    """Return the line of the drawing that each room is on, counted from the top."""
    block = re.search(rf"```text\n{package}/\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    lines = [line for line in block[1].splitlines() if "---" not in line]
    return {room: position for position, line in enumerate(lines) for room in line.split()}


def listed(package: str) -> list[str]:
    section = PAGE.split(f"## Rooms of {package}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def rooms(package: str) -> set[str]:
    entries = (ROOT / package).iterdir()
    return {
        path.stem
        for path in entries
        if (path.suffix == ".py" or (path / "__init__.py").exists())
        and not path.stem.startswith("__")
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_every_room_is_drawn_and_described(package):
    assert set(drawn(package)) == rooms(package)
    assert set(listed(package)) == rooms(package)
    assert len(listed(package)) == len(rooms(package))


@pytest.mark.parametrize("package", PACKAGES)
def test_rooms_import_only_rooms_on_lower_lines(package):
    line = drawn(package)
    pairs = [(a.partition("."), b.partition(".")) for a, b in arrows(ROOT)]
    upwards = {
        f"{importer[2]} imports {target[2]}"
        for importer, target in pairs
        if importer[0] == target[0] == package and line[target[2]] <= line[importer[2]]
    }
    assert not upwards

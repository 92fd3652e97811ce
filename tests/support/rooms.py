"""The graph of rooms: which of the packages' folders imports which, read from the sources."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("flowfa", "theory_checks")


def modules(root: Path) -> dict[str, Path]:
    """The files of the packages below `root` by their dotted names."""
    files = [file for package in PACKAGES for file in (root / package).rglob("*.py")]
    names = [".".join(file.relative_to(root).with_suffix("").parts) for file in files]
    return dict(zip([name.removesuffix(".__init__") for name in names], files, strict=True))


@functools.cache
def imports(root: Path) -> frozenset[tuple[str, str]]:
    """Pairs of a module and one of the packages' modules that it imports, wherever in its text."""
    return frozenset(_imports(modules(root)))


def _imports(known: dict[str, Path]) -> Iterator[tuple[str, str]]:
    for importer, file in known.items():
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file}: a relative import, which this test does not read"
                targets = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for target in targets:
                while target and target not in known:
                    target = target.rpartition(".")[0]
                if target:
                    yield importer, target


def room(module: str) -> str:
    """The room of a module: `flowfa.solvers` of `flowfa.solvers.hybrid.rows`."""
    return ".".join(module.split(".")[:2])


def arrows(root: Path) -> set[tuple[str, str]]:
    """Pairs of a room and another one that it imports; the packages' own files are no rooms."""
    # `flowfa/__init__.py` names what lies in the rooms; `python -m flowfa` is the command line.
    doors = (*PACKAGES, "flowfa.__main__")
    pairs = {(room(importer), room(target)) for importer, target in imports(root)}
    return {(a, b) for a, b in pairs if a != b and a not in doors and b not in doors}


def circle(pairs: set[tuple[str, str]]) -> set[str]:
    """The rooms that are on a circle, or lie between two of them; none where there is an order."""
    left = set(pairs)
    while left:
        begins, ends = {a for a, _ in left}, {b for _, b in left}
        kept = {(a, b) for a, b in left if a in ends and b in begins}
        if kept == left:
            return begins
        left = kept
    return set()

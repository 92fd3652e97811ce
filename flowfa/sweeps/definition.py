"""A sweep as its file says it: fixed settings, and those that are swept over.

Every error names the place in the file: ``grid.leak[2] in sweep.toml``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowfa.errors import InputError
from flowfa.files.own_code import import_file
from flowfa.registry import unknown_name
from flowfa.settings import declarations, key_of, valid
from flowfa.settings.toml import load_toml
from flowfa.sweeps.commands import COMMANDS
from flowfa.sweeps.naming import known, look_up

_TABLES = ("settings", "grid", "zip", "list")
_KEYS = ("command", "seeds", "checkpoint_every", *_TABLES)
_OWN = (*("out", "plot", "format", "check", "config", "overwrite", "resume", "checkpoint_every"),)
_SAID = ("quiet", "json", "debug")
MOST_CELLS = 1_000_000
# Settings by field name, in the types that they are declared with.
Values = dict[str, Any]


@dataclass(frozen=True)
class Definition:
    """What a sweep file says.

    Attributes
    ----------
    command : str
        ``simulate``, ``train`` or ``deviation``.
    fixed : dict
        Settings of all cells.
    axes : tuple of tuple of dict
        What is combined with each other: each axis is the settings of its points. The last one
        varies fastest.
    checkpoint_every : float or None
        Seconds between checkpoints of a cell; None to begin a cell anew after a kill.
    source : str
        Name of the file, for messages.
    """

    command: str
    fixed: Values
    axes: tuple[tuple[Values, ...], ...]
    checkpoint_every: float | None
    source: str

    @property
    def group(self) -> type:
        """The settings of the command."""
        return COMMANDS[self.command]

    @property
    def swept(self) -> tuple[str, ...]:
        """The fields that are swept over, in the order of the file."""
        return tuple(dict.fromkeys(name for axis in self.axes for point in axis for name in point))

    @property
    def count(self) -> int:
        """The number of cells."""
        return math.prod(len(axis) for axis in self.axes)

    def points(self) -> Iterator[Values]:
        """Return the swept settings of each cell."""
        for parts in itertools.product(*self.axes):
            yield {name: value for part in parts for name, value in part.items()}


def read_definition(path: str | Path) -> Definition:
    """Read a sweep file.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    InputError
        If it cannot be read, or something in it is unknown or not valid.
    """
    return parse_definition(load_toml(Path(path), "sweep"), str(path))


def parse_definition(document: Mapping[str, Any], source: str) -> Definition:
    """Return what a parsed sweep file says; `source` is its name; errors as `read_definition`."""
    reader = _Reader(document, source)
    axes = [*reader.listed(), *reader.zipped(), *reader.grid(), *reader.seeds()]
    _refuse_twice(reader.places, source)
    definition = Definition(
        command=reader.command,
        fixed=reader.fixed(),
        axes=tuple(axes),
        checkpoint_every=reader.checkpoint_every(),
        source=source,
    )
    _refuse_twice(reader.places, source)
    if not definition.swept:
        raise InputError(f"{source} sweeps over nothing: give a table [grid], [zip] or [[list]]")
    if definition.count > MOST_CELLS:
        raise InputError(
            f"{source} has {definition.count} cells: expected at most {MOST_CELLS:,}, so sweep "
            "over fewer values"
        )
    return definition


class _Reader:
    """Reads the parts of a document, and notes where each setting was given."""

    def __init__(self, document: Mapping[str, Any], source: str) -> None:
        self.document = {key.replace("-", "_"): value for key, value in document.items()}
        self.source = source
        self.places: list[tuple[str, str]] = []
        for key in self.document:
            if key not in _KEYS:
                raise unknown_name(f"key in {source}:", key, _KEYS)
        self.command = self._command()
        self.group = COMMANDS[self.command]
        left_out = {*_OWN, *_SAID}
        self.names = {key_of(name): name for name in declarations(self.group)}
        self.names = {key: name for key, name in self.names.items() if name not in left_out}
        # First, since the names in the other settings may be those that a file registers.
        for place, entry in self._own_files():
            self._import(place, entry if isinstance(entry, list) else [entry])

    def _own_files(self) -> Iterator[tuple[str, Any]]:
        """Return what the file says of own code, wherever it does, with its place."""
        listed = self.document.get("list")
        tables = {
            f"list[{i}]": table
            for i, table in enumerate(listed if isinstance(listed, list) else ())
        }
        for name, table in {"settings": self._table("settings"), **tables}.items():
            if isinstance(table, dict):
                yield f"{name}.import", table.get("import")
        for name in ("grid", "zip"):
            entries = self._table(name).get("import")
            for index, entry in enumerate(entries if isinstance(entries, list) else ()):
                yield f"{name}.import[{index}]", entry

    def _import(self, place: str, files: Sequence[Any]) -> None:
        for file in files:
            # What is no text is told when it is read as a setting.
            if isinstance(file, str):
                try:
                    import_file(file)
                except InputError as error:
                    raise InputError(f"{place} in {self.source}: {error}") from error

    def _command(self) -> str:
        command = self.document.get("command", "simulate")
        if command not in COMMANDS:
            raise InputError(
                f"command in {self.source} is {command!r}: expected {', '.join(COMMANDS)}"
            )
        return command

    def fixed(self) -> Values:
        """Return the settings of all cells."""
        return self._point(self._table("settings"), "settings")

    def checkpoint_every(self) -> float | None:
        """Return the interval of checkpoints."""
        if "checkpoint_every" not in self.document:
            return None
        return self._valid(
            "checkpoint_every", "checkpoint_every", self.document["checkpoint_every"]
        )

    def grid(self) -> Iterator[tuple[Values, ...]]:
        """Return an axis for each key of the grid."""
        for key, values in self._table("grid").items():
            place = f"grid.{key}"
            name = self._name(key, place)
            self.places.append((name, place))
            entries = self._entries(values, place)
            yield self._distinct(
                [
                    {name: self._valid(name, f"{place}[{index}]", value)}
                    for index, value in enumerate(entries)
                ],
                place,
            )

    def zipped(self) -> Iterator[tuple[Values, ...]]:
        """Return the one axis along which several settings go together."""
        table = self._table("zip")
        if not table:
            return
        columns: Values = {}
        for key, values in table.items():
            place = f"zip.{key}"
            name = self._name(key, place)
            self.places.append((name, place))
            columns[name] = [
                self._valid(name, f"{place}[{index}]", value)
                for index, value in enumerate(self._entries(values, place))
            ]
        lengths = {key_of(name): len(column) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"zip.{key} has {count}" for key, count in lengths.items())
            raise InputError(
                f"{shown} in {self.source}: expected equally many, since they go together"
            )
        points = [
            dict(zip(columns, values, strict=True))
            for values in zip(*columns.values(), strict=True)
        ]
        yield self._distinct(points, "zip")

    def listed(self) -> Iterator[tuple[Values, ...]]:
        """Return the one axis whose points are listed one by one."""
        if "list" not in self.document:
            return
        tables = self.document["list"]
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise InputError(f"list in {self.source}: expected tables [[list]]")
        points = [self._point(table, f"list[{index}]") for index, table in enumerate(tables)]
        first: dict[str, str] = {}
        for name, place in self.places:
            if place.startswith("list["):
                first.setdefault(name, place)
        self.places = [entry for entry in self.places if not entry[1].startswith("list[")]
        self.places += list(first.items())
        if not points:
            raise InputError(f"list in {self.source} is empty: expected tables [[list]]")
        yield self._distinct(points, "list")

    def seeds(self) -> Iterator[tuple[Values, ...]]:
        """Return the axis of seeds: those that are listed, or 0, 1, ... below a number."""
        if "seeds" not in self.document:
            return
        seeds = self.document["seeds"]
        if isinstance(seeds, int) and not isinstance(seeds, bool):
            if not 1 <= seeds <= MOST_CELLS:
                expected = "at least 1" if seeds < 1 else f"at most {MOST_CELLS:,} cells"
                raise InputError(f"seeds in {self.source} is {seeds}: expected {expected}")
            seeds = list(range(seeds))
        elif not isinstance(seeds, list):
            raise InputError(
                f"seeds in {self.source} is {seeds!r}: expected a number N, for 0 to N - 1, or a "
                "list of seeds"
            )
        self.places.append(("seed", "seeds"))
        yield self._distinct(
            [
                {"seed": self._valid("seed", f"seeds[{index}]", seed)}
                for index, seed in enumerate(self._entries(seeds, "seeds"))
            ],
            "seeds",
        )

    def _table(self, name: str) -> Mapping[str, Any]:
        table = self.document.get(name, {})
        if not isinstance(table, dict):
            raise InputError(f"{name} in {self.source} is {table!r}: expected a table [{name}]")
        return table

    def _point(self, table: Mapping[str, Any], place: str) -> Values:
        point: Values = {}
        for key, value in table.items():
            where = f"{place}.{key}"
            name = self._name(key, where)
            self.places.append((name, where))
            point[name] = self._valid(name, where, value)
        return point

    def _name(self, key: str, place: str) -> str:
        plain = key.replace("-", "_")
        if plain in (*_OWN, *_SAID):
            raise InputError(
                f"{place} in {self.source}: {key} says where results go or what is told, which the "
                "sweep does itself: leave it out"
            )
        if plain not in self.names:
            raise unknown_name(f"setting {place} in {self.source}:", key, self.names)
        return self.names[plain]

    def _entries(self, values: Any, place: str) -> list[Any]:
        if not isinstance(values, list) or not values:
            raise InputError(
                f"{place} in {self.source} is {values!r}: expected a list of the values to sweep "
                "over, such as [0.0, 0.1]"
            )
        return values

    def _valid(self, name: str, place: str, value: Any) -> Any:
        where = f"{place} in {self.source}"
        try:
            value = valid(self.group, name, value, place)
        except InputError as error:
            # The name is a place in the file here, and no setting that a flag could give.
            text = str(error).replace(f"`{place}`", where)
            names = "" if isinstance(value, str) else ", ".join(known(name))
            raise InputError(f"{text}; known: {names}" if names else text) from error
        if value is not None:
            try:
                for entry in value if isinstance(value, tuple) else (value,):
                    look_up(name, entry)
            except InputError as error:
                raise InputError(f"{where}: {error}") from error
        return value

    def _distinct(self, points: list[Values], place: str) -> tuple[Values, ...]:
        first: dict[str, int] = {}
        for index, point in enumerate(points):
            before = first.setdefault(repr(sorted(point.items())), index)
            if before < index:
                raise InputError(
                    f"{place}[{index}] in {self.source} is {place}[{before}] again: leave it out, "
                    "since both would be one cell"
                )
        return tuple(points)


def _refuse_twice(places: list[tuple[str, str]], source: str) -> None:
    """Refuse a setting that is given in two parts of the file."""
    first: dict[str, str] = {}
    for name, place in places:
        if name in first:
            raise InputError(
                f"{source} gives {key_of(name)} twice, as {first[name]} and as {place}: keep one"
            )
        first[name] = place

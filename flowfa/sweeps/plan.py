"""The cells of a sweep: their settings, and the names of their files."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowfa.errors import InputError
from flowfa.files.own_code import import_file
from flowfa.settings import declarations, key_of, validated
from flowfa.simulation.from_settings import problem_from
from flowfa.simulation.provenance import versions
from flowfa.sweeps.commands import COMMANDS, CellSettings
from flowfa.sweeps.definition import Definition, Values
from flowfa.sweeps.inputs import MAY_BE_FILES, absolute, digest_of, files_of, refuse_changed

_DIGITS = 24
_NO_NUMBERS = (
    *("out", "plot", "format", "check", "config", "overwrite", "resume", "checkpoint_every"),
    *("quiet", "json", "debug"),
)
"""Settings on which the numbers of a cell do not depend."""
_FORMAT = 1


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Attributes
    ----------
    digest : str
        Of its configuration and of the code: the name of its file.
    swept : dict
        Its values of the settings that are swept over, by field.
    """

    digest: str
    swept: Values

    @property
    def title(self) -> str:
        """Its settings in words: ``leak = 0.1, rule = fa``."""
        return ", ".join(f"{key_of(name)} = {shown(value)}" for name, value in self.swept.items())


@dataclass(frozen=True)
class Plan:
    """All cells of a sweep, and what they have in common.

    Attributes
    ----------
    command : str
    fixed : dict
        Settings of all cells, by field.
    cells : tuple of Cell
    checkpoint_every : float or None
    check : bool
        Whether each cell gets verdicts.
    code : str
        Digest of the code and of the versions that it was made for.
    files : dict
        Digests of the files that settings name, by their names from the root.
    """

    command: str
    fixed: Values
    cells: tuple[Cell, ...]
    checkpoint_every: float | None
    check: bool
    code: str
    files: Mapping[str, str]

    @property
    def swept(self) -> tuple[str, ...]:
        """The fields that are swept over."""
        return tuple(dict.fromkeys(name for cell in self.cells for name in cell.swept))

    def settings_of(self, cell: Cell) -> CellSettings:
        """Return the settings of a cell, valid."""
        return validated(COMMANDS[self.command](**{**self.fixed, **cell.swept}))

    def refuse_another(self, cell: Cell) -> None:
        """Refuse to compute a cell that would be another one than when the sweep began.

        Raises
        ------
        InputError
            If a file that it names has changed, or the plan was edited.
        """
        settings = self.settings_of(cell)
        refuse_changed(files_of(settings), self.files)
        if _digest(self.command, settings, self.check, self.code) != cell.digest:
            raise InputError(
                f"the plan has other settings for the cell {cell.title} than when the sweep began: "
                "give the sweep file again, which makes a new plan"
            )

    def to_json_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {
            "format": _FORMAT,
            "command": self.command,
            "fixed": self.fixed,
            "cells": [{"digest": cell.digest, "swept": cell.swept} for cell in self.cells],
            "checkpoint_every": self.checkpoint_every,
            "check": self.check,
            "code": self.code,
            "files": dict(self.files),
        }

    @classmethod
    def from_json_dict(cls, document: Mapping[str, Any]) -> Plan:
        """Return what `to_json_dict` returned, after JSON has turned tuples into lists."""
        if document["format"] != _FORMAT:
            raise ValueError(f"format {document['format']} is not {_FORMAT}")
        cells = tuple(
            Cell(_digest_text(entry["digest"]), _tuples(entry["swept"]))
            for entry in document["cells"]
        )
        return cls(
            command=document["command"],
            fixed=_tuples(document["fixed"]),
            cells=cells,
            checkpoint_every=document["checkpoint_every"],
            check=bool(document["check"]),
            code=str(document["code"]),
            files={str(file): str(digest) for file, digest in document.get("files", {}).items()},
        )


def make_plan(definition: Definition, check: bool = False) -> Plan:
    """Return the cells of a sweep.

    Parameters
    ----------
    definition : Definition
    check : bool
        Whether each cell gets verdicts.

    Raises
    ------
    InputError
        If the settings of a cell do not go together; the message names its place in the grid. Or
        if no cell could begin, as where the name of the data is wrong.
    """
    if check and definition.command == "deviation":
        raise InputError(
            f"{definition.source} sweeps over deviation, which has no verdicts: leave out `check`"
        )
    # The number of threads decides how sums are rounded; cells side by side have one each.
    fixed = {"threads": 1, **{name: absolute(name, v) for name, v in definition.fixed.items()}}
    code = code_digest(check)
    cells: dict[str, Cell] = {}
    files: dict[str, str] = {}
    for point in definition.points():
        swept = {name: absolute(name, value) for name, value in point.items()}
        cell = Cell("", swept)
        try:
            settings = validated(definition.group(**{**fixed, **swept}))
        except InputError as error:
            raise InputError(f"{definition.source}, the cell {cell.title}: {error}") from error
        digest = _digest(definition.command, settings, check, code)
        if digest in cells:
            raise InputError(
                f"{definition.source} has the cell {cell.title} twice: leave one of them out"
            )
        cells[digest] = Cell(digest, swept)
        files |= {str(file): digest_of(file) or "" for file in files_of(settings)}
    plan = Plan(
        command=definition.command,
        fixed=fixed,
        cells=tuple(cells.values()),
        checkpoint_every=definition.checkpoint_every,
        check=check,
        code=code,
        files=files,
    )
    _refuse_hopeless(plan, definition.source)
    return plan


def _refuse_hopeless(plan: Plan, source: str) -> None:
    """Refuse a sweep whose first and last cell cannot begin for one reason: no other could."""
    reasons = []
    for cell in (plan.cells[0], plan.cells[-1]):
        settings = plan.settings_of(cell)
        try:
            for file in settings.import_ or ():
                import_file(file)
            problem_from(settings)
            return
        except InputError as error:
            reasons.append(str(error))
    if reasons[0] == reasons[1]:
        raise InputError(f"no cell of {source} can begin: {reasons[0]}")


@functools.cache
def code_digest(check: bool = False) -> str:
    """Return the digest of the code of flowfa, and of the versions of what it is built on.

    Parameters
    ----------
    check : bool
        Whether the code of the checks counts too.
    """
    summary = hashlib.sha256(json.dumps(versions(), sort_keys=True).encode())
    place = Path(__file__).resolve().parents[2]
    for package in ("flowfa", "theory_checks") if check else ("flowfa",):
        for file in sorted((place / package).rglob("*.py")):
            summary.update(str(file.relative_to(place)).encode())
            summary.update(file.read_bytes())
    return summary.hexdigest()[:_DIGITS]


def shown(value: Any) -> str:
    """Return the value of a setting in a word: a list with hyphens."""
    if isinstance(value, tuple | list):
        return "-".join(map(shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _digest(command: str, settings: Any, check: bool, code: str) -> str:
    values = {
        key_of(name): getattr(settings, name)
        for name in declarations(type(settings))
        if name not in _NO_NUMBERS
    }
    values["import"] = [digest_of(Path(file)) for file in settings.import_ or ()]
    for name in MAY_BE_FILES:
        if Path(values[name]).is_absolute():
            values[name] = digest_of(Path(values[name]))
    document = {"command": command, "settings": values, "check": check, "code": code}
    text = json.dumps(document, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _tuples(values: Mapping[str, Any]) -> Values:
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }


def _digest_text(value: Any) -> str:
    """Return a digest; nothing else becomes the name of a file."""
    text = str(value)
    if len(text) != _DIGITS or not set(text) <= set("0123456789abcdef"):
        raise ValueError(f"{text[:40]!r} is no digest")
    return text

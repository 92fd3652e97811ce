"""Messages of the library in the words of the command line: settings become flags.

The library names a setting in backticks, as it spells it (`flowfa.errors`). Here, and here only,
the names that are settings of the command at hand become its flags; everything else in backticks
stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flowfa.settings import SimulateSettings, TrainSettings, declarations, key_of

if TYPE_CHECKING:
    from xarray import DataTree

ALIASES = {
    "initial": "init",
    "path": "out",
    "rules": "rule",
    "widths": "width",
}
"""The setting of the command line that gives an argument of the library, by the argument."""

_QUOTED = re.compile(r"`([A-Za-z_]\w*)(?:=([^`]*))?`")


def flag_of(setting: str) -> str:
    """Return the flag of a setting: its name with hyphens."""
    return "--" + key_of(setting).replace("_", "-")


def in_flags(text: str, group: type | None) -> str:
    """Return a message with the settings of a command as its flags.

    Parameters
    ----------
    text : str
        As the library says it: ```rtol```, ```solver="bosh3"```, ```resume=True```.
    group : type or None
        The settings of the command at hand; None where there is none.

    Returns
    -------
    str
        ``--rtol``, ``--solver bosh3``, ``--resume``; and ``--no-check`` for ```check=False```.
    """
    if group is None:
        return text
    settings = declarations(group)

    def translated(match: re.Match[str]) -> str:
        name, value = match.groups()
        setting = name if name in settings else ALIASES.get(name, name)
        if setting not in settings:
            # Python has to spell lambda as lambda_.
            setting += "_"
        if setting not in settings:
            return match[0]
        flag = flag_of(setting)
        if value is None or value == "True":
            return flag
        if value == "False":
            return "--no-" + flag.removeprefix("--")
        return f"{flag} {_as_typed(value)}"

    return _QUOTED.sub(translated, text)


def _as_typed(value: str) -> str:
    """Return a value as it is written on the command line: no quotes, a list as its entries."""
    if value[:1] in "([":
        return " ".join(
            _as_typed(entry.strip()) for entry in value.strip("()[]").split(",") if entry
        )
    return value.strip("\"'")


def settings_of_run(tree: DataTree) -> type:
    """Return the settings of the command that made a result."""
    return TrainSettings if tree.attrs.get("kind") == "discrete" else SimulateSettings


def settings_of(words: Sequence[str]) -> type | None:
    """Return the settings of the command that a command line names; None if it names none."""
    from flowfa.cli.parsing import SETTINGS

    command = [word for word in words[:2] if not word.startswith("-")]
    return SETTINGS.get(" ".join(command)) or (SETTINGS.get(command[0]) if command else None)

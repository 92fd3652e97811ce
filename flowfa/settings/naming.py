"""How settings are named and shown: keys of TOML and JSON, flags that may be left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Optional, get_type_hints

from tyro.conf import arg

from flowfa.settings.declared import declarations


def optional_flag(metavar: str, name: str | None = None) -> object:
    """Return how a flag that may be left out is shown: without the default ``None``."""
    return arg(
        name=name,
        metavar=metavar,
        help_behavior_hint=lambda shown: "" if shown == "None" else f"(default: {shown})",
    )


@dataclass(frozen=True)
class Shown:
    """How a setting is shown that is made into a flag by `optional_fields`."""

    metavar: str
    help: str


def shown(metavar: str, text: str) -> Shown:
    """Return how a setting is shown: a word for its value, and a sentence on what it is."""
    return Shown(metavar, text)


def optional_fields(*groups: type) -> list[tuple[str, Any, Any]]:
    """Return the settings of groups as fields that may be left out, for `make_dataclass`.

    Parameters
    ----------
    *groups : type
        Dataclasses of settings. Those with a `shown` are returned, each name once.
    """
    fields: dict[str, Any] = {}
    for group in groups:
        for name, hint in get_type_hints(group, include_extras=True).items():
            notes = [note for note in getattr(hint, "__metadata__", ()) if isinstance(note, Shown)]
            for note in notes:
                flag = arg(metavar=note.metavar, help=note.help, help_behavior_hint="")
                fields.setdefault(name, Annotated[Optional[hint], flag])  # noqa: UP045
    return [(name, hint, None) for name, hint in fields.items()]


def key_of(field_name: str) -> str:
    """Return the TOML key of a field: its name, without the underscore that Python needs."""
    return field_name.rstrip("_")


def to_json_dict(settings: object) -> dict[str, Any]:
    """Return settings under their keys, tuples as lists, ready for JSON."""
    document = {}
    for name in declarations(type(settings)):
        value = getattr(settings, name)
        document[key_of(name)] = list(value) if isinstance(value, tuple) else value
    return document

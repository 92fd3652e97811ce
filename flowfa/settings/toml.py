"""Settings from a TOML file, with errors that name the key."""

from __future__ import annotations

import tomllib
import types
from dataclasses import fields
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from flowfa.errors import InputError
from flowfa.registry import unknown_name
from flowfa.settings.simulation import ProblemFlags, SimulateConfiguration, key_of

_EXPECTED = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def from_toml(path: str | Path, kind: type[ProblemFlags] = SimulateConfiguration) -> dict[str, Any]:
    """Read settings from a file.

    Parameters
    ----------
    path : str or pathlib.Path
        A TOML file whose keys are the flags of the command, written with ``-`` or ``_``.
    kind : type
        The configuration whose fields they are.

    Returns
    -------
    dict
        Values by field name, lists as tuples; keys that the file does
        not have are absent.

    Raises
    ------
    InputError
        If the file cannot be read, is not TOML, has an unknown key, or a value has a wrong type.
    """
    path = Path(path)
    names = {key_of(field.name): field.name for field in fields(kind)}
    # A file that names another file would leave open which one counts.
    del names["config"]
    kinds = get_type_hints(kind)
    settings: dict[str, Any] = {}
    for key, value in _load(path).items():
        name = names.get(key.replace("-", "_"))
        if name is None:
            raise unknown_name(f"key in {path}:", key, [known.replace("_", "-") for known in names])
        if name in settings:
            raise InputError(f"{path} has {key} twice, with - and with _: keep one of them")
        settings[name] = _value(kinds[name], name, value, f"{key} in {path}")
    return settings


def _load(path: Path) -> dict[str, Any]:
    """Parse a file, or tell why it cannot be."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"there is no file {path}: give --config an existing TOML file") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a directory: give --config a TOML file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file in UTF-8: give --config a TOML file") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        # The parser's message ends with the line and column.
        raise InputError(f"{path} is not TOML: {error}; expected lines like t-end = 50.0") from None


def _value(kind: Any, name: str, value: Any, place: str) -> Any:
    """Return `value` as the type of field `name`, or tell what was expected."""
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(option for option in get_args(kind) if option is not type(None))
    if get_origin(kind) is tuple:
        element = get_args(kind)[0]
        # One value stands for a list of one, as on the command line.
        items = value if isinstance(value, list) else [value]
        return tuple(_scalar(element, item, place, " or a list of them") for item in items)
    if name == "signfa_scale" and _is_number(value):
        return repr(value)
    return _scalar(kind, value, place, "")


def _scalar(kind: type, value: Any, place: str, also: str) -> Any:
    if kind is float and _is_number(value):
        return float(value)
    # bool is a subclass of int, but true is no count.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise InputError(f"{place} is {value!r}: expected {_EXPECTED[kind]}{also}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

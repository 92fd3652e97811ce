"""Settings from a TOML file, with errors that name the key."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from flowfa.errors import InputError
from flowfa.registry import unknown_name
from flowfa.settings.declared import as_declared, declarations
from flowfa.settings.naming import key_of


def from_toml(path: str | Path, group: type) -> dict[str, Any]:
    """Read settings from a file.

    Parameters
    ----------
    path : str or pathlib.Path
        A TOML file whose keys are the flags of the command, written with ``-`` or ``_``.
    group : type
        The dataclass of settings whose fields they are.

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
    declared = declarations(group)
    names = {key_of(name): name for name in declared}
    # A file that named another file would leave open which of them counts.
    del names["config"]
    settings: dict[str, Any] = {}
    for key, value in load_toml(path).items():
        name = names.get(key.replace("-", "_"))
        if name is None:
            raise unknown_name(
                f"key in {path}:", key, [accepted.replace("_", "-") for accepted in names]
            )
        if name in settings:
            raise InputError(f"{path} has {key} twice, with - and with _: keep one of them")
        settings[name] = as_declared(declared[name], f"{key} in {path}", value)
    return settings


def load_toml(path: Path, setting: str = "config") -> dict[str, Any]:
    """Parse a file, or say why it cannot be parsed.

    Parameters
    ----------
    path : Path
    setting : str
        What named the file, for messages.

    Raises
    ------
    InputError
        If it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"there is no file {path}: give `{setting}` an existing TOML file"
        ) from None
    except IsADirectoryError:
        raise InputError(f"{path} is a directory: give `{setting}` a TOML file") from None
    except UnicodeDecodeError:
        raise InputError(
            f"{path} is not a text file in UTF-8: give `{setting}` a TOML file"
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        # The parser's message ends with the line and column.
        raise InputError(f"{path} is not TOML: {error}; expected lines like t-end = 50.0") from None
    except RecursionError:
        raise InputError(f"{path} is nested too deeply: give `{setting}` a TOML file") from None

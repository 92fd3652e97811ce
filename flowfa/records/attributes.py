"""The attributes of a file, validated: texts that are text, JSON that is JSON of the right kind."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from flowfa.errors import InputError

SCHEMA = 1
"""The version of the layout of files, in the attribute ``schema``; files without it have the first.

It is counted up when a reader of today would take something in a new file for something else.
"""


def check_schema(attributes: Mapping[Any, Any], label: str) -> None:
    """Refuse a file whose layout is newer than this program.

    Parameters
    ----------
    attributes : mapping
        Of the root of the file.
    label : str
        Where they came from.

    Raises
    ------
    InputError
        If it is, or the version is no number.
    """
    schema = _plain(attributes.get("schema", SCHEMA))
    if not _is_count(schema):
        raise _damaged(label, f"the attribute schema is {_shown(schema)}")
    if schema > SCHEMA:
        raise InputError(
            f"{label} has the layout {schema} (its attribute schema), and this flowfa reads up to "
            f"{SCHEMA}: update flowfa"
        )


def checked_attributes(attributes: Mapping[Any, Any], label: str) -> dict[str, Any]:
    """Return the root attributes of a file, scalars of NumPy as Python's.

    Parameters
    ----------
    attributes : mapping
        Those of a group, as a reader gives them; what is not there is not asked for.
    label : str
        Where they came from.

    Raises
    ------
    InputError
        Naming the first that is not as flowfa writes it.
    """
    check_schema(attributes, label)
    plain = {str(name): _plain(value) for name, value in attributes.items()}
    for name, value in plain.items():
        _check_text(name, value, label)
        if name in _VALID:
            try:
                sound = _VALID[name](value)
            # A document with too many brackets ends the parser by a RecursionError.
            except (ValueError, TypeError, RecursionError):
                sound = False
            if not sound:
                raise _damaged(label, f"the attribute {name} is {_shown(value)}")
    return plain


def decoded(attributes: Mapping[Any, Any], label: str) -> dict[str, Any]:
    """Return `checked_attributes` with those that hold JSON decoded."""
    checked = checked_attributes(attributes, label)
    return {
        name: json.loads(value) if name in _OF_JSON else value for name, value in checked.items()
    }


def check_variables(tree: xr.DataTree, label: str) -> None:
    """Refuse a variable whose attributes are not text, or that has a value which means missing.

    Readers take every number that equals the attribute ``_FillValue`` for missing; flowfa writes
    NaN there, or nothing.

    Raises
    ------
    InputError
        Naming the first such variable.
    """
    for node in tree.subtree:
        for name, variable in node.to_dataset(inherit=False).variables.items():
            place = f"{node.path.rstrip('/')}/{name}"
            for key, value in variable.attrs.items():
                _check_text(f"{key} of {place}", value, label)
                if key in _TEXTS and not isinstance(value, str):
                    raise _damaged(label, f"the attribute {key} of {place} is {_shown(value)}")
            fill = variable.encoding.get("_FillValue")
            if fill is not None and not _is_nan(fill):
                raise _damaged(label, f"the attribute _FillValue of {place} is {_shown(fill)}")


_TEXTS = ("long_name", "spec", "units", "source")


def _json(kind: type, of_texts: bool = False) -> Callable[[Any], bool]:
    """Return the condition of an attribute that holds a JSON document of one kind."""

    def sound(value: Any) -> bool:
        document = json.loads(value)
        if not isinstance(document, kind):
            return False
        entries = document.values() if isinstance(document, dict) else document
        return not of_texts or all(isinstance(entry, str) for entry in entries)

    return sound


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_whole(value: Any) -> bool:
    return isinstance(value, int)


def _is_duration(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0.0


def _is_moment(value: Any) -> bool:
    return isinstance(datetime.datetime.fromisoformat(value), datetime.datetime)


_OF_JSON = {
    "argv": _json(list, of_texts=True),
    "config": _json(dict),
    "versions": _json(dict, of_texts=True),
    "protocol": _json(dict),
    "departures": _json(list, of_texts=True),
    "report": _json(dict),
    "checksums": _json(dict, of_texts=True),
}
_VALID: dict[str, Callable[[Any], bool]] = {
    **_OF_JSON,
    "created": _is_moment,
    "device": _is_text,
    "dtype": lambda value: value in ("float64", "float32"),
    "git_revision": _is_text,
    "kind": lambda value: value in ("flow", "discrete"),
    "scale": _is_text,
    "seed": _is_whole,
    "solve_seconds": _is_duration,
    "status": _is_text,
    "threads": _is_count,
    "title": _is_text,
}
"""What each attribute must be."""


def _check_text(name: str, value: Any, label: str) -> None:
    """Refuse bytes that are no UTF-8, which readers hand over as text that cannot be printed."""
    if isinstance(value, bytes) or (isinstance(value, str) and not _printable(value)):
        raise _damaged(label, f"the attribute {name} is no text in UTF-8")


def _printable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_nan(value: Any) -> bool:
    values = np.asarray(value)
    return values.dtype.kind == "f" and bool(np.isnan(values).all())


def _plain(value: Any) -> Any:
    """Return a scalar of NumPy, or an array of one number, as a Python number."""
    if isinstance(value, np.ndarray) and value.shape == (1,):
        return value[0].item()
    return value.item() if isinstance(value, np.generic) else value


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _damaged(label: str, fault: str) -> InputError:
    return InputError(
        f"{label} is not as flowfa writes it ({fault}): make the run again, or use a copy"
    )

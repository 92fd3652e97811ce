"""What the annotation of a setting declares, and values turned into what it declares."""

from __future__ import annotations

import dataclasses
import functools
import numbers
import types
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from flowfa.errors import InputError
from flowfa.settings.limits import Limit, OneOf

_EXPECTED = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


@dataclass(frozen=True)
class Declaration:
    """Type, limits and default of one setting.

    Attributes
    ----------
    kind : type
        bool, int, float or str, of the value or of the entries of a list.
    is_list : bool
        Whether the value is a list.
    optional : bool
        Whether None, not given, is a value.
    words : tuple of str
        Texts that may stand for a number.
    limits : tuple of Limit
    default : object
    """

    kind: type
    is_list: bool
    optional: bool
    words: tuple[str, ...]
    limits: tuple[Limit, ...]
    default: Any

    @property
    def expected(self) -> str:
        """The type in words."""
        choices = [limit.names for limit in self.limits if isinstance(limit, OneOf)]
        kind = f"one of {', '.join(choices[0])}" if choices else _EXPECTED[self.kind]
        text = " or ".join((kind, *map(repr, self.words)))
        return f"{text} or a list of them" if self.is_list else text


@functools.cache
def declarations(group: type) -> dict[str, Declaration]:
    """Return the declaration of each field of a dataclass of settings, by name."""
    hints = get_type_hints(group, include_extras=True)
    return {
        entry.name: _declaration(hints[entry.name], entry.default)
        for entry in dataclasses.fields(group)
    }


def _declaration(hint: Any, default: Any) -> Declaration:
    limits: tuple[Limit, ...] = ()
    words: tuple[str, ...] = ()
    optional = is_list = False
    while (origin := get_origin(hint)) is not None:
        if origin is Annotated:
            hint, *notes = get_args(hint)
            limits += tuple(note for note in notes if isinstance(note, Limit))
        elif origin in (Union, types.UnionType):
            options = get_args(hint)
            optional = optional or type(None) in options
            words += tuple(
                word
                for option in options
                if get_origin(option) is Literal
                for word in get_args(option)
            )
            hint = next(
                option
                for option in options
                if option is not type(None) and get_origin(option) is not Literal
            )
        else:
            is_list = True
            hint = get_args(hint)[0]
    return Declaration(hint, is_list, optional, words, limits, default)


def as_declared(declaration: Declaration, shown: str, value: Any) -> Any:
    """Return a value in the type of its setting: a NumPy number as Python's, one entry as a list.

    Parameters
    ----------
    declaration : Declaration
    shown : str
        The setting as the message names it.
    value : object

    Raises
    ------
    InputError
        If it is of another type.
    """
    if value is None:
        if declaration.optional:
            return None
        default = declaration.default
        mend = "" if default is dataclasses.MISSING else f"; leave it out for its default {default}"
        raise InputError(f"{shown} is None: expected {declaration.expected}{mend}")
    if not declaration.is_list:
        return _scalar(declaration, shown, value)
    # One value stands for a list of one, as on the command line.
    if hasattr(value, "tolist"):
        value = value.tolist()
    entries = value if isinstance(value, list | tuple | range) else (value,)
    return tuple(_scalar(declaration, shown, entry) for entry in entries)


def _scalar(declaration: Declaration, shown: str, value: Any) -> Any:
    # Scalars of NumPy and torch are numbers like Python's.
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    kind = declaration.kind
    # bool is a subclass of int, but True is no count.
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if kind is float and number:
        return float(value)
    if kind is int and number and isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, str) and value in declaration.words:
        return value
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise InputError(f"{shown} is {value!r}: expected {declaration.expected}")

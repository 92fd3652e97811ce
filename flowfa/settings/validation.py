"""Validation of settings: types, limits, and the conditions between several of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flowfa.settings.declared import as_declared, declarations

Group = TypeVar("Group")
Condition = TypeVar("Condition", bound=Callable[[Any], None])

_MARK = "is_a_condition_of_settings"


def condition(check: Condition) -> Condition:
    """Mark a method of a dataclass of settings that refuses values which do not go together."""
    setattr(check, _MARK, True)
    return check


def valid(group: type, name: str, value: Any, called: str | None = None) -> Any:
    """Return one value as the setting `name` of `group` has it.

    Parameters
    ----------
    group : type
        A dataclass of settings.
    name : str
        One of its fields.
    value : object
    called : str, optional
        What the caller names it, if that is another name.

    Raises
    ------
    InputError
        If its type is wrong or it is out of the declared limits.
    """
    declaration, shown = declarations(group)[name], f"`{called or name}`"
    value = as_declared(declaration, shown, value)
    if value is None or (value in declaration.words and not declaration.is_list):
        return value
    for limit in declaration.limits:
        whole_value = limit.of_list or not declaration.is_list
        for entry in (value,) if whole_value else value:
            limit.check(shown, entry)
    return value


def validated(settings: Group) -> Group:
    """Return settings whose values have their declared types, are in their limits, and agree.

    Parameters
    ----------
    settings : object
        Of a dataclass of settings.

    Raises
    ------
    InputError
        For the first setting that cannot be used: its name, its value and what was expected.
    """
    group = type(settings)
    values = {name: valid(group, name, getattr(settings, name)) for name in declarations(group)}
    settings = dataclasses.replace(settings, **values)  # pyright: ignore[reportArgumentType]
    for base in reversed(group.__mro__):
        for member in vars(base).values():
            if getattr(member, _MARK, False):
                member(settings)
    return settings


def chosen(group: type[Group], values: Mapping[str, Any]) -> Group:
    """Return valid settings of a group from values by name, such as the arguments of a function.

    Parameters
    ----------
    group : type
        A dataclass of settings.
    values : mapping
        A value for each of its fields; others are passed over.

    Raises
    ------
    InputError
        As `validated`.
    """
    return validated(group(**{name: values[name] for name in declarations(group)}))


def values_of(group: type, settings: object) -> dict[str, Any]:
    """Return the values of the settings of a group, by name, from a dataclass that has them."""
    return {name: getattr(settings, name) for name in declarations(group)}

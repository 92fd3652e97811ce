"""What the values of a setting may be: a small vocabulary, written beside each setting.

A limit stands in the annotation of a field, ``rtol: Annotated[float, positive()] = 1e-4``; those
of a list hold for each entry, but for `unique`, `not_empty` and `increasing`, which are about the
list. `flowfa.settings.validation` walks them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from flowfa.errors import InputError
from flowfa.registry import unknown_name

LARGEST = 2**63 - 1
"""The largest count: counts are stored in int64 attributes and arrays."""


class Limit(ABC):
    """A condition on the value of one setting.

    Attributes
    ----------
    of_list : bool
        Whether it is about a list as a whole, and not about each entry.
    """

    of_list: ClassVar[bool] = False

    @abstractmethod
    def check(self, shown: str, value: Any) -> None:
        """Refuse `value`, or do nothing.

        Parameters
        ----------
        shown : str
            The setting as messages name it: its name in backticks.
        value : object
            Of the declared type; never None.

        Raises
        ------
        InputError
            With the value and what was expected.
        """


@dataclass(frozen=True)
class _Between(Limit):
    """A number in an interval; the ends belong to it if they are closed."""

    least: float
    most: float
    expected: str
    open_below: bool = False
    open_above: bool = False

    def check(self, shown: str, value: Any) -> None:
        above = value > self.least if self.open_below else value >= self.least
        below = value < self.most if self.open_above else value <= self.most
        # NaN is in no interval.
        if not (above and below):
            if above and self.most == LARGEST:
                raise InputError(f"{shown} is {value}: expected at most {LARGEST}")
            raise InputError(f"{shown} is {value}: expected {self.expected}")


def at_least(least: int) -> Limit:
    """Return the limit of a count: a whole number, not below `least`."""
    return _Between(least, LARGEST, f"a whole number of at least {least}")


def positive() -> Limit:
    """Return the limit of times, rates, tolerances: above 0 and finite."""
    expected = "a positive finite number"
    return _Between(0.0, math.inf, expected, open_below=True, open_above=True)


def not_negative() -> Limit:
    """Return the limit of a number that may be 0: at least 0 and finite."""
    return _Between(0.0, math.inf, "a finite number of at least 0", open_above=True)


def fraction(expected: str = "a fraction between 0 and 1") -> Limit:
    """Return the limit of shares and slopes: from 0 to 1, both included."""
    return _Between(0.0, 1.0, expected)


def strict_fraction() -> Limit:
    """Return the limit of a part that is neither nothing nor all: between 0 and 1."""
    expected = "a number between 0 and 1, both excluded"
    return _Between(0.0, 1.0, expected, open_below=True, open_above=True)


def from_to_below(least: float, most: float) -> Limit:
    """Return the limit of a number from `least` to below `most`."""
    return _Between(least, most, f"a number from {least:g} to below {most:g}", open_above=True)


@dataclass(frozen=True)
class OneOf(Limit):
    """A choice between words.

    Attributes
    ----------
    names : tuple of str
    """

    names: tuple[str, ...]

    def check(self, shown: str, value: Any) -> None:
        """Refuse a word that is none of them."""
        if value not in self.names:
            raise unknown_name(shown, value, self.names)


def one_of(*names: str) -> Limit:
    """Return the limit of a choice between words."""
    return OneOf(names)


@dataclass(frozen=True)
class _NotEmpty(Limit):
    of_list: ClassVar[bool] = True
    missing: str
    mend: str

    def check(self, shown: str, value: Sequence[Any]) -> None:
        if len(value) == 0:
            raise InputError(f"{shown} has no {self.missing}: {self.mend}")


def not_empty(missing: str, mend: str) -> Limit:
    """Return the limit of a list that needs an entry: what is missing, and how to mend it."""
    return _NotEmpty(missing, mend)


@dataclass(frozen=True)
class _AtLeastTwo(Limit):
    of_list: ClassVar[bool] = True
    noun: str
    mend: str

    def check(self, shown: str, value: Sequence[Any]) -> None:
        if len(value) < 2:
            raise InputError(f"{shown} has {len(value)} {self.noun}: {self.mend}")


def two_or_more(noun: str, mend: str) -> Limit:
    """Return the limit of a list of at least two: what its entries are, and how to mend it."""
    return _AtLeastTwo(noun, mend)


@dataclass(frozen=True)
class _Unique(Limit):
    of_list: ClassVar[bool] = True

    def check(self, shown: str, value: Sequence[Any]) -> None:
        for entry in value:
            if value.count(entry) > 1:
                raise InputError(f"{shown} has {entry} twice: name each one once")


def unique() -> Limit:
    """Return the limit of a list whose entries differ."""
    return _Unique()


@dataclass(frozen=True)
class _Increasing(Limit):
    of_list: ClassVar[bool] = True

    def check(self, shown: str, value: Sequence[Any]) -> None:
        if list(value) != sorted(set(value)):
            listed = ", ".join(map(str, value))
            raise InputError(f"{shown} is {listed}: expected increasing numbers")


def increasing() -> Limit:
    """Return the limit of a list that grows from entry to entry."""
    return _Increasing()


@dataclass(frozen=True)
class _PathName(Limit):
    expected: str

    def check(self, shown: str, value: Any) -> None:
        if not Path(value).name:
            raise InputError(f"{shown} is {value!r}: expected {self.expected}")


@dataclass(frozen=True)
class _EndsIn(Limit):
    ending: str

    def check(self, shown: str, value: Any) -> None:
        if Path(value).suffix != self.ending:
            raise InputError(f"{shown} is {value}: expected a name that ends in {self.ending}")


def ends_in(ending: str) -> Limit:
    """Return the limit of the name of a file of one format."""
    return _EndsIn(ending)


def path_name(expected: str) -> Limit:
    """Return the limit of the name of a file or a folder; `expected` says which."""
    return _PathName(expected)

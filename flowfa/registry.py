"""Named things (rules, losses, solvers, data sets) and the lookup that suggests a near name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar, cast

from flowfa.errors import InputError

T = TypeVar("T")
Entry = TypeVar("Entry")


def unknown_name(kind: str, name: str, accepted: Iterable[str]) -> InputError:
    """Build the error for a name that nothing is registered under.

    Parameters
    ----------
    kind : str
        What the name should denote, such as ``"rule"``.
    name : str
        The name that was given.
    accepted : iterable of str
        The names that would have been accepted.

    Returns
    -------
    InputError
        One line with the nearest match, if there is one, and all known names.
    """
    names = sorted(accepted)
    # Names differ in more than their case, so that a name in capitals is nearest to itself.
    by_lower = {accepted_name.lower(): accepted_name for accepted_name in names}
    near = difflib.get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.5)
    hint = f"did you mean {by_lower[near[0]]!r}? " if near else ""
    return InputError(f"unknown {kind} {name!r}: {hint}known: {', '.join(names)}")


class Registry(Generic[T]):
    """A table from names to objects of one kind.

    Parameters
    ----------
    kind : str
        What is registered here, for messages: ``"rule"``, ``"loss"``.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[Entry], Entry]:
        """Return a decorator that enters its argument under `name`.

        Raises
        ------
        InputError
            If the name is taken by something else.
        """

        def enter(entry: Entry) -> Entry:
            if self._entries.get(name, entry) is not entry:
                raise InputError(f"the {self.kind} name {name!r} is taken: choose another name")
            # The entry is returned as it was given, so that a type checker keeps its type.
            self._entries[name] = cast(T, entry)
            return entry

        return enter

    def named(self, name: str) -> Callable[[Entry], Entry]:
        """Return a decorator that enters a class as `register` does, and sets its ``name``.

        Raises
        ------
        InputError
            As `register`.
        """

        def enter(entry: Entry) -> Entry:
            self.register(name)(entry)
            # The name is set only after no other entry was found to have it.
            setattr(entry, "name", name)  # noqa: B010 - the type of an entry says nothing of names
            return entry

        return enter

    def get(self, name: str) -> T:
        """Return the entry called `name`.

        Raises
        ------
        InputError
            If there is none; the message names the nearest match.
        """
        if name not in self._entries:
            raise unknown_name(self.kind, name, self._entries)
        return self._entries[name]

    def forget(self, name: str) -> None:
        """Take the entry called `name` out, so that the name is free again (in a notebook, a test).

        Raises
        ------
        InputError
            As `get`.
        """
        self.get(name)
        del self._entries[name]

    def names(self) -> tuple[str, ...]:
        """Return the registered names in the order of registration."""
        return tuple(self._entries)

"""What a check is, and the table of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol, TypeVar, runtime_checkable

from flowfa.errors import InputError
from flowfa.registry import Registry, unknown_name
from theory_checks.controls.control import Control
from theory_checks.evidence.evidence import Evidence
from theory_checks.margins.measurement import Estimate, Hypothesis, Measurement


class Check(Protocol):
    """One statement of the theory, as a test of a run.

    It keeps no state, and each trajectory's numbers depend on that trajectory alone. It returns
    numbers, never verdicts: those are for `theory_checks.verdicts.verdict` to make. It speaks
    of flows, unless it has an attribute ``of_training`` that is True: then of discrete training.

    Attributes
    ----------
    spec : str
        The statement's ID in the list of the theory; the name on the command line.
    statement : str
        It in words, in one line.
    reading : str
        What margin and uncertainty mean, in one line.
    """

    spec: ClassVar[str]
    statement: ClassVar[str]
    reading: ClassVar[str]

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Return what the statement assumes, tested on this run."""
        ...

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return the margins of trajectories that respect all hypotheses.

        There is at least one trajectory in `evidence`, and others may have been left out.
        """
        ...

    def controls(self) -> Mapping[str, Control]:
        """Return, by name, flows of which this check must say ``violated``."""
        ...


@runtime_checkable
class Estimates(Protocol):
    """A check that also measures numbers for the reader, on which no verdict depends."""

    def estimates(self, evidence: Evidence) -> tuple[Estimate, ...]:
        """Return numbers of all trajectories, also of those that fail a hypothesis."""
        ...


CHECKS: Registry[type[Check]] = Registry("statement")


AnyCheck = TypeVar("AnyCheck", bound=Check)


def register(cls: type[AnyCheck]) -> type[AnyCheck]:
    """Enter a check in `CHECKS` under its spec ID.

    Raises
    ------
    InputError
        If the ID is taken by another class.
    """
    CHECKS.register(cls.spec)(cls)
    return cls


def chosen(only: str | tuple[str, ...] | None) -> tuple[Check, ...]:
    """Return the checks of some statements, in the order of the table; all if None.

    Raises
    ------
    InputError
        If an ID is unknown; the message names the nearest and lists all.
    """
    only = (only,) if isinstance(only, str) else only
    if only is not None and not all(isinstance(name, str) for name in only):
        raise InputError(f"`only` is {only!r}: expected IDs of statements, such as ('C-1', 'Eq-1')")
    if only is None:
        return tuple(CHECKS.get(name)() for name in CHECKS.names())
    if not only:
        raise InputError(f"no statement was named: choose from {', '.join(CHECKS.names())}")
    known = {name.lower(): name for name in CHECKS.names()}
    wanted = set()
    for name in only:
        if name.lower() not in known:
            raise unknown_name("statement", name, CHECKS.names())
        wanted.add(known[name.lower()])
    return tuple(CHECKS.get(name)() for name in CHECKS.names() if name in wanted)

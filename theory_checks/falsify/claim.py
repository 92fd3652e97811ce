"""Claims, which can be searched for a counterexample, and the table of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from flowfa.registry import Registry
from theory_checks.falsify.case import Case, Shape

FAR = 1e6
"""Score of a problem of which nothing can be said."""
MISSED = 10.0
"""Least score of a problem that misses a hypothesis; scores of others are at most 1."""
DROPPED = "a dropped hypothesis fails"


@dataclass(frozen=True)
class Assessment:
    """The judgement of a claim on one problem.

    Attributes
    ----------
    score : float
        The number that the search makes small. Negative: the claim is violated, beyond its
        uncertainty. NaN: nothing could be said.
    margin : float
        Positive where the claim is true.
    uncertainty : float
        Numerical error of the margin.
    tightness : float
        The margin in the claim's own unit, named by `Claim.unit`; NaN where there is none.
    missed : str or None
        Name of a hypothesis that fails; the claim is then not assessed.
    missed_by : float
        The amount by which it fails, positive; infinity for a condition, which has no amount.
    """

    score: float
    margin: float = float("nan")
    uncertainty: float = float("nan")
    tightness: float = float("nan")
    missed: str | None = None
    missed_by: float = float("nan")

    @property
    def violated(self) -> bool:
        """Whether the hypotheses hold and the claim does not."""
        return self.missed is None and self.score < 0.0


class Claim(Protocol):
    """An assertion on small problems.

    It keeps no state; the assessment of a problem depends on that problem and on the dropped
    hypotheses alone.
    """

    @property
    def name(self) -> str:
        """Its name on the command line."""
        ...

    @property
    def statement(self) -> str:
        """The assertion in words, in one line."""
        ...

    @property
    def unit(self) -> str:
        """The unit of `Assessment.tightness`."""
        ...

    @property
    def examples(self) -> int:
        """Problems that a search goes through by default."""
        ...

    @property
    def batch(self) -> int:
        """Problems that are assessed together at little more than the price of one."""
        ...

    def hypotheses(self) -> Mapping[str, str]:
        """Return name and text of each hypothesis that may be dropped."""
        ...

    def shapes(self, drop: frozenset[str]) -> tuple[Shape, ...]:
        """Return the shapes of problems to search."""
        ...

    def assess(self, cases: Sequence[Case], drop: frozenset[str]) -> list[Assessment]:
        """Assess problems of one shape."""
        ...

    def verify(self, case: Case, drop: frozenset[str]) -> str | None:
        """Return how a counterexample was confirmed at higher accuracy; None if it was not."""
        ...

    def snippet(self, case: Case, drop: frozenset[str]) -> str:
        """Return Python code that sets ``margin`` to what was found, and prints it."""
        ...


CLAIMS: Registry[Claim] = Registry("claim")

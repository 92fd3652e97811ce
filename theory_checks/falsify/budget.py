"""The budget of a search, and what the search has tried so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from theory_checks.falsify.case import Case
from theory_checks.falsify.claim import Assessment, Claim


class Exhausted(Exception):
    """No examples or no time are left, or the user wants to stop."""


@dataclass(frozen=True)
class Standing:
    """The progress of a search, for a progress bar.

    Attributes
    ----------
    tried, examples : int
    best : Assessment or None
    phase : str
    """

    tried: int
    examples: int
    best: Assessment | None
    phase: str


class Judge:
    """Assesses problems, counts them, keeps the best, and ends the search when it is time.

    Parameters
    ----------
    claim : Claim
    drop : frozenset of str
    examples : int
        Most problems to assess.
    seconds : float
        Longest time.
    stopped : callable
        Whether the user asked to stop.
    progress : callable
        Called often with the progress of the search.

    Attributes
    ----------
    tried : int
        Problems assessed.
    applicable : int
        Problems that met all hypotheses and gave a margin.
    nearest : Assessment or None
        The one nearest to meeting the hypotheses among those that did not.
    best : tuple of Case and Assessment, or None
        The one with the least score among the applicable.
    """

    def __init__(
        self,
        claim: Claim,
        drop: frozenset[str],
        examples: int,
        seconds: float,
        stopped: Callable[[], bool],
        progress: Callable[[Standing], None],
    ) -> None:
        self.claim = claim
        self.drop = drop
        self.examples = examples
        self.started = time.monotonic()
        self.seconds = seconds
        self.phase = "looking"
        self.tried = 0
        self.applicable = 0
        self.nearest: Assessment | None = None
        self.best: tuple[Case, Assessment] | None = None
        self._stopped = stopped
        self._progress = progress

    @property
    def stopped(self) -> bool:
        """Whether the user asked to stop."""
        return self._stopped()

    @property
    def elapsed(self) -> float:
        """Seconds since the search began."""
        return time.monotonic() - self.started

    @property
    def exhausted(self) -> bool:
        """Whether the budget is spent or the user asked to stop."""
        return self.tried >= self.examples or self.elapsed >= self.seconds or self.stopped

    def extend(self, examples: int, seconds: float) -> None:
        """Begin a new phase of the search, whose budget starts now."""
        self.examples = self.tried + examples
        self.seconds = self.elapsed + seconds

    def __call__(self, cases: Sequence[Case]) -> list[Assessment]:
        """Assess problems of one shape.

        Raises
        ------
        Exhausted
            If it is time to end.
        """
        if self.exhausted:
            raise Exhausted
        assessments = self.claim.assess(cases, self.drop)
        self.tried += len(cases)
        for case, assessment in zip(cases, assessments, strict=True):
            if assessment.missed is not None:
                if self.nearest is None or assessment.missed_by < self.nearest.missed_by:
                    self.nearest = assessment
            elif assessment.margin == assessment.margin:
                self.applicable += 1
                if self.best is None or assessment.score < self.best[1].score:
                    self.best = case, assessment
        best = None if self.best is None else self.best[1]
        self._progress(Standing(self.tried, self.examples, best, self.phase))
        return assessments

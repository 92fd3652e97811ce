"""The verdict of one statement on one trajectory, and the place that it rests on."""

from __future__ import annotations

from dataclasses import dataclass

from theory_checks.evidence.early_ends import EarlyEnd
from theory_checks.margins.measurement import Item
from theory_checks.verdicts.verdict import Verdict


@dataclass(frozen=True)
class Place:
    """Where a margin was found; None where that does not apply.

    Attributes
    ----------
    trajectory : int
        Counted from 0.
    rule : str
    layer, neuron : int or None
        Layers from 1, neurons from 0.
    time : float
    note : str
        What else the check says of the place.
    """

    trajectory: int
    rule: str
    layer: int | None
    neuron: int | None
    time: float
    note: str = ""

    def __str__(self) -> str:
        """Return the place in words."""
        parts = [f"{self.rule} trajectory {self.trajectory}"]
        parts += [*Item(self.layer, self.neuron).words, f"t = {self.time:.4g}"]
        return ", ".join([*parts, *([self.note] if self.note else [])])


@dataclass(frozen=True)
class Outcome:
    """The verdict of one statement on one trajectory.

    Attributes
    ----------
    trajectory : int
        Counted from 0.
    verdict : Verdict
    margin, uncertainty : float
        Where there is least room; NaN where the statement does not apply, and where it is not
        known.
    place : Place or None
        Where that is; None where the statement does not apply.
    failed_hypothesis : str or None
        The first hypothesis that fails, in words.
    failed_by : float or None
        By how much; None if it has no amount.
    ended : EarlyEnd or None
        The rung that ended before the run, if that is why margin or uncertainty are not known.
    """

    trajectory: int
    verdict: Verdict
    margin: float = float("nan")
    uncertainty: float = float("nan")
    place: Place | None = None
    failed_hypothesis: str | None = None
    failed_by: float | None = None
    ended: EarlyEnd | None = None

    @property
    def known(self) -> bool:
        """Whether margin and uncertainty are numbers."""
        return self.margin == self.margin and self.uncertainty == self.uncertainty

    @property
    def room(self) -> float:
        """What the margin has beyond its uncertainty; none if either is not a number."""
        room = self.margin - self.uncertainty
        return room if room == room else -float("inf")

    @property
    def miss(self) -> tuple[bool, float]:
        """What orders failed hypotheses, the nearest miss first: those with an amount, by it."""
        if self.failed_by is None or self.failed_by != self.failed_by:
            return True, 0.0
        return False, self.failed_by

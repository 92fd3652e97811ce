"""What was found of one statement on a run: the outcomes on its trajectories, and the worst."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from theory_checks.evidence.early_ends import EarlyEnd
from theory_checks.margins.measurement import Estimate
from theory_checks.verdicts.outcome import Outcome, Place
from theory_checks.verdicts.verdict import Verdict


@dataclass(frozen=True)
class Finding:
    """What was found of one statement: its outcome on each trajectory, and the worst of them.

    Attributes
    ----------
    spec : str
        The statement's ID in the list of the theory.
    statement : str
        It in words.
    reading : str
        What margin and uncertainty mean.
    outcomes : tuple of Outcome
        At least one; of each trajectory that was checked.
    estimates : tuple of Estimate
        Numbers measured beside the verdict, if the check has any.
    """

    spec: str
    statement: str
    reading: str
    outcomes: tuple[Outcome, ...]
    estimates: tuple[Estimate, ...] = ()

    @cached_property
    def worst(self) -> Outcome:
        """The outcome of the worst verdict, and of those the one with least room."""
        most = max(outcome.verdict.severity for outcome in self.outcomes)
        same = [outcome for outcome in self.outcomes if outcome.verdict.severity == most]
        return min(same, key=lambda outcome: outcome.room)

    @property
    def verdict(self) -> Verdict:
        """The worst verdict; that it does not apply only if it applies to no trajectory."""
        return self.worst.verdict

    @property
    def applies(self) -> bool:
        """Whether the statement applies to some trajectory."""
        return self.verdict is not Verdict.NOT_APPLICABLE

    @property
    def margin(self) -> float | None:
        """The margin of the worst outcome; None if the statement does not apply."""
        return self.worst.margin if self.applies else None

    @property
    def uncertainty(self) -> float | None:
        """The uncertainty of that margin; None if the statement does not apply."""
        return self.worst.uncertainty if self.applies else None

    @property
    def place(self) -> Place | None:
        """Where that margin was found; None if the statement does not apply."""
        return self.worst.place

    @property
    def where(self) -> str:
        """That place in words, and which rung ended there if the margin is not known for that."""
        if self.place is None:
            return "-"
        if self.ended is not None:
            return f"{self.place}: {self.ended}"
        return f"{self.place}" if self.worst.known else f"{self.place}: {self._not_a_number}"

    @property
    def ended(self) -> EarlyEnd | None:
        """The rung that ended before the run, where that is why the verdict is open."""
        return self.worst.ended

    @property
    def trajectories(self) -> dict[str, int]:
        """How many trajectories got which verdict, by its word."""
        counts = Counter(outcome.verdict for outcome in self.outcomes)
        return {verdict.value: counts[verdict] for verdict in Verdict if counts[verdict]}

    @cached_property
    def _nearest(self) -> Outcome | None:
        """The outcome that misses a hypothesis by least, one that misses an amount first."""
        missed = [outcome for outcome in self.outcomes if outcome.failed_hypothesis is not None]
        return min(missed, key=lambda outcome: outcome.miss, default=None)

    @property
    def failed_hypothesis(self) -> str | None:
        """What keeps the statement from applying to some trajectory, the nearest miss of all."""
        return None if self._nearest is None else self._nearest.failed_hypothesis

    @property
    def failed_by(self) -> float | None:
        """By how much; None for a condition, which has no amount, and where it is not known."""
        by = None if self._nearest is None else self._nearest.failed_by
        return None if by is None or by != by else by

    @property
    def sentence(self) -> str:
        """What margin and uncertainty mean; empty if there are none."""
        return self.reading if self.applies else ""

    @property
    def reason(self) -> str:
        """Why the verdict is open; empty if it is not."""
        if self.verdict is not Verdict.INCONCLUSIVE:
            return ""
        if self.ended is not None:
            return f"not known beyond t = {self.ended.time:.4g}, where {self.ended.rung} ended"
        if not self.worst.known:
            return f"{self._not_a_number}: a term overflows, or is 0 / 0"
        return (
            "the margin is within its uncertainty, so that neither can be said; of a flow, a "
            "smaller `rtol` or `step` brings it down (flowfa rerun)"
        )

    @property
    def _not_a_number(self) -> str:
        bare = self.worst.margin != self.worst.margin
        return f"the {'margin' if bare else 'uncertainty'} is not a number"

    @property
    def unless(self) -> str | None:
        """What would have to hold for the statement to apply, and by how much it does not."""
        if self.failed_hypothesis is None:
            return None
        # A strict inequality that is an equality fails by 0, or by the least number that stands for
        # it, which tells a reader nothing.
        tells = self.failed_by is not None and abs(self.failed_by) > sys.float_info.min
        amount = f" (by {number(self.failed_by)})" if tells else ""
        return self.failed_hypothesis + amount

    def to_json_dict(self) -> dict[str, Any]:
        """Return the finding for a program; see `Report.to_json_dict`."""
        return {
            "spec": self.spec,
            "statement": self.statement,
            "verdict": self.verdict.value,
            "margin": self.margin,
            "uncertainty": self.uncertainty,
            "place": None if self.place is None else asdict(self.place),
            "trajectories": self.trajectories,
            "failed_hypothesis": self.failed_hypothesis,
            "failed_by": self.failed_by,
            "sentence": self.sentence,
            "reason": self.reason,
            "ended": None if self.ended is None else asdict(self.ended),
            "estimates": [asdict(estimate) for estimate in self.estimates],
        }


def number(value: float | None) -> str:
    """Return a number as a reader sees it, to three digits; what is no number is not known."""
    if value is None:
        return "-"
    return f"{value:.3g}" if value == value else "unknown"

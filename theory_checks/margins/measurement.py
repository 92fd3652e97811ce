"""What a check hands to the framework: hypotheses, margins with their uncertainty, estimates."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from theory_checks.evidence.evidence import Evidence


@dataclass(frozen=True)
class Hypothesis:
    """An assumption of a statement, tested on the run itself.

    There are two kinds. A condition is met or not: ``Hypothesis.of``. An inequality is missed by
    an amount, which a report tells: ``Hypothesis.measured`` and ``Hypothesis.positive``.

    Attributes
    ----------
    name : str
        What it is called on the command line: ``"linear-activation"``.
    text : str
        The assumption as a statement: ``"the activation is the identity (leak = 1)"``.
    respected : Tensor
        Which trajectories meet it, (trajectory,) bool.
    excess : Tensor or None
        By how much each trajectory misses it, (trajectory,), positive where it does, 0 where a
        strict inequality is an equality, NaN where the amount is not known; None for a condition.
    """

    name: str
    text: str
    respected: Tensor
    excess: Tensor | None = None

    @classmethod
    def of(cls, name: str, text: str, condition: Tensor) -> Hypothesis:
        """Return the hypothesis that a condition, (trajectory,) bool, is met."""
        return cls(name, text, condition)

    @classmethod
    def measured(cls, name: str, text: str, excess: Tensor) -> Hypothesis:
        """Return the hypothesis excess <= 0, (trajectory,); what is not a number misses it."""
        return cls(name, text, excess <= 0.0, excess)

    @classmethod
    def positive(cls, name: str, text: str, value: Tensor) -> Hypothesis:
        """Return the hypothesis value > 0, (trajectory,); what is not a number misses it."""
        return cls(name, text, value > 0.0, 0.0 - value)

    def select(self, positions: list[int]) -> Hypothesis:
        """Return the hypothesis on some trajectories."""
        excess = None if self.excess is None else self.excess[positions]
        return Hypothesis(self.name, self.text, self.respected[positions], excess)

    def missed_by(self, position: int) -> float | None:
        """Return by how much a trajectory misses it; None for a condition."""
        return None if self.excess is None else float(self.excess[position])


@dataclass(frozen=True)
class Item:
    """One of the things that a statement speaks of at each time; None where it does not apply.

    Attributes
    ----------
    layer : int or None
        Counted from 1.
    neuron : int or None
        Counted from 0 within its layer.
    """

    layer: int | None = None
    neuron: int | None = None

    @property
    def words(self) -> list[str]:
        """What a reader sees of it: ``["layer 1", "neuron 0"]``."""
        numbers = (("layer", self.layer), ("neuron", self.neuron))
        return [f"{name} {number}" for name, number in numbers if number is not None]


@dataclass(frozen=True)
class Measurement:
    """Margins of a statement for every trajectory, time and item.

    Attributes
    ----------
    margin : Tensor
        Positive where the statement is true, (trajectory, time, item); "time" may be intervals.
    uncertainty : Tensor
        Numerical error of the margin, of the same shape.
    remainder : Tensor
        What may have been missed between the times looked at, of the same shape: it joins the
        uncertainty, and where it alone leaves a verdict open the framework looks at more times.
    time : Tensor
        Where in its interval each margin was found, of the same shape.
    valid : Tensor
        Which margins count, of the same shape, bool: times that the trajectory has reached, items
        of which the statement speaks. A NaN that counts is inconclusive.
    items : tuple of Item
    note : str
        What tells these margins from others of the same check: ``"in the file"``.
    coarse : Tensor, optional
        For margins that add up over time: the intervals that the remainder comes from,
        (trajectory, interval) bool. By default the interval of a margin is the one it comes from.
    """

    margin: Tensor
    uncertainty: Tensor
    remainder: Tensor
    time: Tensor
    valid: Tensor
    items: tuple[Item, ...]
    note: str = ""
    coarse: Tensor | None = None


@dataclass(frozen=True)
class Estimate:
    """A number that a check measures beside its verdict, on every trajectory.

    Attributes
    ----------
    name : str
        A slug: ``"mu"``.
    text : str
        What it is, in a line.
    layer, neuron : int or None
        What it is of, as in `Item`.
    rules : tuple of str
        The rule of each trajectory.
    values, uncertainties : tuple of float
        By trajectory; NaN where there is no such number. The uncertainty is the difference of the
        two finest rungs, and what may have been missed between the times.
    times : tuple of float
        At which time it is attained; NaN if at no one time.
    """

    name: str
    text: str
    layer: int | None
    neuron: int | None
    rules: tuple[str, ...]
    values: tuple[float, ...]
    uncertainties: tuple[float, ...]
    times: tuple[float, ...]

    @classmethod
    def of(
        cls,
        evidence: Evidence,
        name: str,
        text: str,
        values: Tensor,
        uncertainties: Tensor,
        times: Tensor,
        item: Item = Item(),
    ) -> Estimate:
        """Return the estimate of a number on the trajectories of `evidence`.

        Parameters
        ----------
        evidence : Evidence
        name, text : str
        values, uncertainties, times : Tensor
            (trajectory,).
        item : Item
            What the number is of.
        """
        numbers = (tuple(part.tolist()) for part in (values, uncertainties, times))
        return cls(name, text, item.layer, item.neuron, evidence.rules, *numbers)

    def __str__(self) -> str:
        """Return the range of each rule in a line, with the largest uncertainty."""
        ranges = "; ".join(self._range(rule) for rule in dict.fromkeys(self.rules))
        title = ", ".join([self.name, *Item(self.layer, self.neuron).words])
        return f"{title}: {ranges} ({self.text})"

    def _range(self, rule: str) -> str:
        """Return the least and the greatest value under a rule."""
        rows = [row for row, other in enumerate(self.rules) if other == rule]
        known = [row for row in rows if math.isfinite(self.values[row])]
        if not known:
            return f"{rule} none"
        missing = "" if len(known) == len(rows) else f" ({len(rows) - len(known)} have none)"
        offs = [self.uncertainties[row] for row in known]
        off = "unknown" if any(map(math.isnan, offs)) else f"{max(offs):.1g}"
        low, high = (f"{extreme(self.values[row] for row in known):.4g}" for extreme in (min, max))
        shown = low if low == high else f"{low} to {high}"
        return f"{rule} {shown} +- {off}{missing}"

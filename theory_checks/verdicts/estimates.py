"""Estimates in a report: numbers that a check measured on every trajectory, beside its verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from theory_checks.evidence.evidence import Evidence
from theory_checks.margins.measurement import Estimate
from theory_checks.statements.statement import Check, Estimates


@dataclass(frozen=True)
class Estimated:
    """One number of each trajectory, in the order of the run.

    Attributes
    ----------
    name, text : str
        What it is.
    layer, neuron : int or None
        Of what.
    rules : tuple of str
    values, uncertainties, times : tuple of float
        NaN where there is no such number, and where it belongs to no one time.
    """

    name: str
    text: str
    layer: int | None
    neuron: int | None
    rules: tuple[str, ...]
    values: tuple[float, ...]
    uncertainties: tuple[float, ...]
    times: tuple[float, ...]

    def __str__(self) -> str:
        """Return the range of each rule in a line, with the largest uncertainty."""
        place = "".join(
            f", {word} {number}"
            for word, number in (("layer", self.layer), ("neuron", self.neuron))
            if number is not None
        )
        ranges = []
        for rule in dict.fromkeys(self.rules):
            own = [place for place, other in enumerate(self.rules) if other == rule]
            known = [self.values[i] for i in own if math.isfinite(self.values[i])]
            missing = "" if len(known) == len(own) else f" ({len(own) - len(known)} have none)"
            if not known:
                ranges.append(f"{rule} none")
                continue
            off = max(self.uncertainties[i] for i in own if math.isfinite(self.values[i]))
            low, high = f"{min(known):.4g}", f"{max(known):.4g}"
            shown = low if low == high else f"{low} to {high}"
            ranges.append(f"{rule} {shown} +- {off:.1g}{missing}")
        return f"{self.name}{place}: {'; '.join(ranges)} ({self.text})"


def estimates_of(statement: Check, evidence: Evidence) -> tuple[Estimate, ...]:
    """Return what a check measures beside its verdict; nothing if it has no `estimates`."""
    return statement.estimates(evidence) if isinstance(statement, Estimates) else ()


def joined(
    parts: Sequence[tuple[Estimate, ...]], rules: tuple[str, ...], order: Sequence[int]
) -> tuple[Estimated, ...]:
    """Put the estimates of several sets of trajectories together.

    Parameters
    ----------
    parts : sequence of tuple of Estimate
        The same numbers, of some trajectories after the other.
    rules : tuple of str
        Of all trajectories, set by set.
    order : sequence of int
        Their places, in the order of the run.
    """
    result = []
    for same in zip(*parts, strict=True):
        first = same[0]

        def numbers(name: str, same: tuple[Estimate, ...] = same) -> tuple[float, ...]:
            found = [number for each in same for number in getattr(each, name).tolist()]
            return tuple(found[place] for place in order)

        result.append(
            Estimated(
                first.name,
                first.text,
                first.item.layer,
                first.item.neuron,
                tuple(rules[place] for place in order),
                numbers("value"),
                numbers("uncertainty"),
                numbers("time"),
            )
        )
    return tuple(result)

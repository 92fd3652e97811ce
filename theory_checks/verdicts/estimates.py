"""The estimates of a report: what a check measured beside its verdict, of all trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from theory_checks.evidence.evidence import Evidence
from theory_checks.margins.measurement import Estimate
from theory_checks.statements.statement import Check, Estimates


def estimates_of(statement: Check, evidence: Evidence) -> tuple[Estimate, ...]:
    """Return what a check measures beside its verdict; nothing if it has no `estimates`."""
    return statement.estimates(evidence) if isinstance(statement, Estimates) else ()


def joined(blocks: Sequence[tuple[Estimate, ...]], order: Sequence[int]) -> tuple[Estimate, ...]:
    """Put the estimates of several blocks of trajectories together.

    Parameters
    ----------
    blocks : sequence of tuple of Estimate
        The same numbers, of one block of trajectories after the other.
    order : sequence of int
        The positions of the trajectories, block after block, in the order of the run.
    """
    return tuple(_joined(same, order) for same in zip(*blocks, strict=True))


def _joined(same: Sequence[Estimate], order: Sequence[int]) -> Estimate:
    rules = [rule for estimate in same for rule in estimate.rules]
    values = [number for estimate in same for number in estimate.values]
    uncertainties = [number for estimate in same for number in estimate.uncertainties]
    times = [number for estimate in same for number in estimate.times]
    return replace(
        same[0],
        rules=tuple(rules[position] for position in order),
        values=tuple(values[position] for position in order),
        uncertainties=tuple(uncertainties[position] for position in order),
        times=tuple(times[position] for position in order),
    )

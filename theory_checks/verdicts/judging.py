"""The verdict of one statement on each trajectory, and more times where it is open."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from flowfa.registry import unknown_name
from theory_checks.evidence.evidence import Evidence
from theory_checks.margins.measurement import Hypothesis, Measurement
from theory_checks.statements.statement import Check
from theory_checks.verdicts.outcome import Outcome, Place
from theory_checks.verdicts.traces import Traces
from theory_checks.verdicts.verdict import Verdict, from_severity, severities

REFINEMENTS = 5
"""Times that the mesh is refined where what lies between its times leaves a verdict open."""


def outcomes_of(
    statement: Check,
    evidence: Evidence,
    drop: Iterable[str] = (),
    traces: Traces | None = None,
    confirm: bool = False,
) -> list[Outcome]:
    """Return the verdict of one statement on each trajectory.

    Parameters
    ----------
    statement : Check
    evidence : Evidence
    drop : iterable of str
        Names of hypotheses of the statement that are not asked for.
    traces : Traces, optional
        Gets the margins.
    confirm : bool
        Look at what seems violated with a finer rung, as ``flowfa check`` does.

    Raises
    ------
    InputError
        If the statement has no hypothesis of such a name; the message names the nearest.
    """
    drop = tuple(drop)
    hypotheses = () if misplaced(statement, evidence) else statement.hypotheses(evidence)
    _ = texts_of(hypotheses, drop)
    kept = tuple(each for each in hypotheses if each.name not in drop)
    found = outcomes_under(statement, evidence, kept, traces)
    return confirmed(statement, evidence, kept, found) if confirm else found


def outcomes_under(
    statement: Check,
    evidence: Evidence,
    assumed: tuple[Hypothesis, ...],
    traces: Traces | None = None,
) -> list[Outcome]:
    """Return the verdict of one statement on each trajectory, under some hypotheses.

    Margins go to `traces`.
    """
    if misplaced(statement, evidence):
        # What it measures is not there to be asked for.
        kind = _kind(statement, evidence)
        return [
            _not_applicable(int(row), kind, position)
            for position, row in enumerate(evidence.rows.tolist())
        ]
    begun = Hypothesis.measured(
        "begun",
        f"the trajectory got as far as t = {float(evidence.times[2]):.4g}",
        evidence.times[2] - evidence.reached,
    )
    hypotheses = (begun, *assumed)
    respected = torch.stack([hypothesis.respected for hypothesis in hypotheses])
    able = respected.all(0)
    first = (~respected).int().argmax(0)
    result = [
        _not_applicable(int(evidence.rows[position]), hypotheses[int(first[position])], position)
        for position in (~able).nonzero().flatten().tolist()
    ]
    if not able.any():
        return result
    looked_at = evidence.select(able.nonzero().flatten())
    for refinement in range(REFINEMENTS + 1):
        measurements = statement.measure(looked_at)
        intervals = _open_intervals(looked_at, measurements)
        again = intervals.any(1) & (refinement < REFINEMENTS)
        settled = (~again).nonzero().flatten().tolist()
        result += [_judge(looked_at, measurements, position) for position in settled]
        if traces is not None:
            traces.take_margins(statement.spec, looked_at, measurements, settled)
        if not again.any():
            break
        # Only what is still open is integrated once more.
        looked_at = looked_at.select(again.nonzero().flatten()).refined(intervals[again].any(0))
    return sorted(result, key=lambda outcome: outcome.trajectory)


def confirmed(
    statement: Check,
    evidence: Evidence,
    assumed: tuple[Hypothesis, ...],
    found: list[Outcome],
) -> list[Outcome]:
    """Return the outcomes, those that are violated as a finer rung finds them."""
    doubtful = [place for place, each in enumerate(found) if each.verdict is Verdict.VIOLATED]
    closer = evidence.select(torch.tensor(doubtful)).closer() if doubtful else None
    if closer is None:
        return found
    kept = tuple(hypothesis.select(doubtful) for hypothesis in assumed)
    again = dict(zip(doubtful, outcomes_under(statement, closer, kept), strict=True))
    return [again.get(place, each) for place, each in enumerate(found)]


def texts_of(hypotheses: Iterable[Hypothesis], names: tuple[str, ...]) -> dict[str, str]:
    """Return what the hypotheses of some names say."""
    known = {each.name: each.text for each in hypotheses}
    for name in names:
        if name not in known:
            raise unknown_name("hypothesis", name, known)
    return {name: known[name] for name in names}


def misplaced(statement: Check, evidence: Evidence) -> bool:
    """Return whether a statement is about the other kind of run."""
    return not bool(_kind(statement, evidence).respected.all())


def _kind(statement: Check, evidence: Evidence) -> Hypothesis:
    """Return that the run is of the kind that a statement is about: a flow, or discrete steps."""
    of_training = bool(getattr(statement, "of_training", False))
    fitting = evidence.for_all(of_training == (evidence.training is not None))
    if of_training:
        return Hypothesis.of("steps", "the run takes discrete steps (flowfa train)", fitting)
    return Hypothesis.of("flow", "the run is a flow (flowfa simulate)", fitting)


def _open_intervals(evidence: Evidence, measurements: tuple[Measurement, ...]) -> Tensor:
    """Return where the remainder alone leaves a verdict open, (trajectory, interval)."""
    found = torch.zeros(len(evidence), len(evidence.times) // 2, dtype=torch.bool)
    # Where a violation is certain already nothing is gained by looking again.
    undecided = torch.ones(len(evidence), dtype=torch.bool)
    for each in measurements:
        loose = severities(each.margin, each.uncertainty + each.remainder)
        certain = (loose == Verdict.VIOLATED.severity) & each.valid
        undecided &= ~certain.any(2).any(1)
        if each.margin.shape[1] != found.shape[1]:
            continue
        firm = severities(each.margin, each.uncertainty)
        changed = ((loose != firm) & each.valid & each.remainder.isfinite()).any(2)
        # An integral is open everywhere for what it missed somewhere.
        found |= changed if each.coarse is None else changed.any(1, keepdim=True) & each.coarse
    return found & undecided[:, None]


def _judge(evidence: Evidence, measurements: tuple[Measurement, ...], position: int) -> Outcome:
    """Return the worst verdict on a trajectory, and where."""
    trajectory = int(evidence.rows[position])
    worst: Outcome | None = None
    for each in measurements:
        valid = each.valid[position].flatten()
        if not valid.any():
            continue
        margin = each.margin[position].flatten()
        uncertainty = (each.uncertainty + each.remainder)[position].flatten()
        severity = torch.where(valid, severities(margin, uncertainty), -1)
        most = int(severity.max())
        # Among the worst the one with least room; what is not a number has none.
        room = (margin - uncertainty).nan_to_num(-torch.inf, torch.inf, -torch.inf)
        index = int(torch.where(severity == most, room, torch.inf).argmin())
        if worst is not None and (
            most,
            -float(room[index]),
        ) <= (worst.verdict.severity, worst.uncertainty - worst.margin):
            continue
        item = each.items[index % len(each.items)]
        worst = Outcome(
            trajectory,
            from_severity(most),
            float(margin[index]),
            float(uncertainty[index]),
            Place(
                trajectory,
                evidence.rules[position],
                item.layer,
                item.neuron,
                float(each.time[position].flatten()[index]),
                each.note,
            ),
        )
    if worst is None:
        return Outcome(
            trajectory,
            Verdict.NOT_APPLICABLE,
            failed_hypothesis="it speaks of something in this network",
        )
    return worst


def _not_applicable(trajectory: int, failed: Hypothesis, position: int) -> Outcome:
    return Outcome(
        trajectory,
        Verdict.NOT_APPLICABLE,
        failed_hypothesis=failed.text,
        failed_by=failed.missed_by(position),
    )

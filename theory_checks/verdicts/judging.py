"""The verdict of one statement on each trajectory, and more times where it is open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from flowfa.registry import unknown_name
from theory_checks.evidence.early_ends import EarlyEnd
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
    kept = tuple(hypothesis for hypothesis in hypotheses if hypothesis.name not in drop)
    outcomes = outcomes_under(statement, evidence, kept, traces)
    return confirmed(statement, evidence, kept, outcomes) if confirm else outcomes


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
        # The statement would look for what this kind of run does not have.
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
        # Trajectories that are settled are not integrated once more.
        looked_at = looked_at.select(again.nonzero().flatten()).refined(intervals[again].any(0))
    return sorted(result, key=lambda outcome: outcome.trajectory)


def confirmed(
    statement: Check,
    evidence: Evidence,
    assumed: tuple[Hypothesis, ...],
    outcomes: list[Outcome],
) -> list[Outcome]:
    """Return the outcomes, with those that are violated replaced by what a finer rung finds."""
    doubtful = [
        position for position, outcome in enumerate(outcomes) if outcome.verdict is Verdict.VIOLATED
    ]
    closer = evidence.select(torch.tensor(doubtful)).closer() if doubtful else None
    if closer is None:
        return outcomes
    kept = tuple(hypothesis.select(doubtful) for hypothesis in assumed)
    again = dict(zip(doubtful, outcomes_under(statement, closer, kept), strict=True))
    return [again.get(position, outcome) for position, outcome in enumerate(outcomes)]


def texts_of(hypotheses: Iterable[Hypothesis], names: tuple[str, ...]) -> dict[str, str]:
    """Return what the hypotheses of some names say."""
    known = {hypothesis.name: hypothesis.text for hypothesis in hypotheses}
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
    open_intervals = torch.zeros(len(evidence), len(evidence.times) // 2, dtype=torch.bool)
    # Looking again cannot change a violation that is certain already.
    undecided = torch.ones(len(evidence), dtype=torch.bool)
    for measurement in measurements:
        loose = severities(measurement.margin, measurement.uncertainty + measurement.remainder)
        certain = (loose == Verdict.VIOLATED.severity) & measurement.valid
        undecided &= ~certain.any(2).any(1)
        if measurement.margin.shape[1] != open_intervals.shape[1]:
            continue
        firm = severities(measurement.margin, measurement.uncertainty)
        changed = ((loose != firm) & measurement.valid & measurement.remainder.isfinite()).any(2)
        # What an integral missed in one interval leaves it open in all later ones.
        open_intervals |= (
            changed
            if measurement.coarse is None
            else changed.any(1, keepdim=True) & measurement.coarse
        )
    return open_intervals & undecided[:, None]


def _judge(evidence: Evidence, measurements: tuple[Measurement, ...], position: int) -> Outcome:
    """Return the worst verdict on a trajectory, and where."""
    trajectory = int(evidence.rows[position])
    worst: Outcome | None = None
    for measurement in measurements:
        valid = measurement.valid[position].flatten()
        if not valid.any():
            continue
        margin = measurement.margin[position].flatten()
        uncertainty = (measurement.uncertainty + measurement.remainder)[position].flatten()
        severity = torch.where(valid, severities(margin, uncertainty), -1)
        most = int(severity.max())
        # Among the worst the one with least room; what is not a number has none.
        room = (margin - uncertainty).nan_to_num(-torch.inf, torch.inf, -torch.inf)
        index = int(torch.where(severity == most, room, torch.inf).argmin())
        if worst is not None and (
            most,
            -float(room[index]),
        ) <= (worst.verdict.severity, -worst.room):
            continue
        item = measurement.items[index % len(measurement.items)]
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
                float(measurement.time[position].flatten()[index]),
                measurement.note,
            ),
        )
        if not worst.known:
            worst = replace(worst, ended=_first_end(evidence, trajectory))
    if worst is None:
        return Outcome(
            trajectory,
            Verdict.NOT_APPLICABLE,
            failed_hypothesis="it speaks of something in this network",
        )
    return worst


def _first_end(evidence: Evidence, trajectory: int) -> EarlyEnd | None:
    """Return where the first rung ended that does not know the whole trajectory."""
    ends = [end for end in evidence.ended if end.trajectory == trajectory]
    return min(ends, key=lambda end: end.time, default=None)


def _not_applicable(trajectory: int, failed: Hypothesis, position: int) -> Outcome:
    return Outcome(
        trajectory,
        Verdict.NOT_APPLICABLE,
        failed_hypothesis=failed.text,
        failed_by=failed.missed_by(position),
    )

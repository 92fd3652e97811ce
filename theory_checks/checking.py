"""Running checks: hypotheses first, then margins, then more times where a verdict is open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from flowfa.registry import unknown_name
from flowfa.simulation.run import Run
from theory_checks.base import Check, chosen
from theory_checks.blocks import affordable, all_blocks
from theory_checks.estimates import Estimated, estimates_of, joined
from theory_checks.evidence import Evidence
from theory_checks.measurement import Estimate, Hypothesis, Measurement
from theory_checks.report import Finding, Place, Report
from theory_checks.source import evidence_of_run
from theory_checks.traces import Traces
from theory_checks.verdict import Verdict, from_severity, severities

if TYPE_CHECKING:
    from xarray import DataTree

REFINEMENTS = 5
"""Times that the mesh is refined where what lies between its times leaves a verdict open."""
Watch = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """The verdict on one trajectory.

    Attributes
    ----------
    trajectory : int
    verdict : Verdict
    margin, uncertainty : float
        At the worst place; NaN where the statement does not apply.
    place : Place or None
    hypothesis : str or None
        The first that failed.
    failed_by : float
    """

    trajectory: int
    verdict: Verdict
    margin: float = float("nan")
    uncertainty: float = float("nan")
    place: Place | None = None
    hypothesis: str | None = None
    failed_by: float = float("nan")


def check(
    run: Run | DataTree | str | FilePath,
    only: Iterable[str] | None = None,
    ladder: bool = False,
    drop: Iterable[str] = (),
    *,
    seconds: float | None = None,
    watch: Watch | None = None,
    traces: Traces | None = None,
) -> Report:
    """Check every statement of the theory on a run.

    Parameters
    ----------
    run : Run, xarray.DataTree, str or Path
        A path names a result file.
    only : iterable of str, optional
        IDs of statements: ``["C-1", "Eq-1"]``; all by default.
    ladder : bool
        Repeat the run at rtol / 100 too, which sharpens every verdict.
    drop : iterable of str
        Names of hypotheses that are not asked for: what the statement claims is measured though
        they fail, and a violation is then no counterexample to the theory.
    seconds : float, optional
        Check about as many trajectories as fit into this time, at least one of each rule; a note
        says how many. By default all.
    watch : callable, optional
        Is told in a few words what is being checked.
    traces : Traces, optional
        Collects what figures need.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If the run cannot be read, or a statement or hypothesis is unknown.

    Examples
    --------
    >>> import flowfa, theory_checks
    >>> data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=1)
    >>> problem = flowfa.Problem(data, widths=(5,), rule=("gd", "fa"))
    >>> run = flowfa.simulate(problem, trajectories=2, t_end=5.0, save=11)
    >>> report = theory_checks.check(run, only=["C-1"])
    >>> report["C-1"].verdict
    <Verdict.HOLDS: 'holds'>
    """
    checks = chosen(None if only is None else tuple(only))
    return check_evidence(
        evidence_of_run(run, ladder),
        checks,
        drop,
        seconds=seconds,
        watch=watch,
        traces=traces,
        confirm=True,
    )


def check_evidence(
    evidence: Evidence,
    checks: Iterable[Check],
    drop: Iterable[str] = (),
    *,
    seconds: float | None = None,
    watch: Watch | None = None,
    traces: Traces | None = None,
    confirm: bool = False,
) -> Report:
    """Check statements on any evidence; parameters as `check`.

    With `confirm`, as `check` has it, what seems violated is looked at again with one finer rung:
    two rungs may agree by chance on a drift that a third makes smaller.

    Raises
    ------
    InputError
        If none of the statements has a hypothesis that is to be dropped.
    """
    checks, drop = tuple(checks), tuple(drop)
    watch = _unwatched if watch is None else watch
    outcomes: list[list[Outcome]] = [[] for _ in checks]
    numbers: list[list[tuple[Estimate, ...]]] = [[] for _ in checks]
    rules: tuple[str, ...] = ()
    rows: list[int] = []
    ignored: dict[str, str] = {}
    for block in all_blocks(evidence) if seconds is None else affordable(evidence, seconds):
        share = f"{len(rows) + len(block)} of {len(evidence)} trajectories"
        watch(f"{share}: integrating anew")
        # Integrated here once, for all statements.
        _ = block.paths
        if traces is not None:
            traces.take_signs(block)
        assumed = [() if _misplaced(each, block) else each.hypotheses(block) for each in checks]
        ignored |= _texts([each for hypotheses in assumed for each in hypotheses], drop)
        for position, (each, hypotheses) in enumerate(zip(checks, assumed, strict=True)):
            watch(f"{share}: {each.spec}")
            kept = tuple(one for one in hypotheses if one.name not in drop)
            found = _outcomes(each, block, kept, traces)
            outcomes[position] += _confirmed(each, block, kept, found) if confirm else found
            numbers[position].append(() if _misplaced(each, block) else estimates_of(each, block))
        rules += block.rules
        rows += block.rows.tolist()
    order = sorted(range(len(rows)), key=rows.__getitem__)
    findings = tuple(
        _finding(statement, found, joined(parts, rules, order))
        for statement, found, parts in zip(checks, outcomes, numbers, strict=True)
    )
    notes = tuple(f"not asked for: {name} ({text})" for name, text in ignored.items())
    if len(rows) < len(evidence):
        notes = (
            f"checked {len(rows)} of {len(evidence)} trajectories, as many as fit into about "
            f"{seconds:.0f} s",
            *notes,
        )
    return Report(findings, (*notes, *_notes(evidence)), _ground(evidence))


def _ground(evidence: Evidence) -> str:
    """Say what the verdicts rest on."""
    if evidence.training is not None:
        return "measured by taking every step again from the stored start; uncertainty: rounding"
    rungs = " and ".join(rung.label for rung in evidence.rungs[-2:])
    return f"measured with {rungs}; uncertainty: the difference of the two"


def outcomes_of(
    statement: Check,
    evidence: Evidence,
    drop: Iterable[str] = (),
    traces: Traces | None = None,
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

    Raises
    ------
    InputError
        If the statement has no hypothesis of such a name; the message names the nearest.
    """
    drop = tuple(drop)
    hypotheses = () if _misplaced(statement, evidence) else statement.hypotheses(evidence)
    _ = _texts(hypotheses, drop)
    kept = tuple(each for each in hypotheses if each.name not in drop)
    return _outcomes(statement, evidence, kept, traces)


def _texts(hypotheses: Iterable[Hypothesis], names: tuple[str, ...]) -> dict[str, str]:
    """Return what the hypotheses of some names say."""
    known = {each.name: each.text for each in hypotheses}
    for name in names:
        if name not in known:
            raise unknown_name("hypothesis", name, known)
    return {name: known[name] for name in names}


def _confirmed(
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
    own = tuple(replace(each, excess=each.excess[doubtful]) for each in assumed)
    again = dict(zip(doubtful, _outcomes(statement, closer, own), strict=True))
    return [again.get(place, each) for place, each in enumerate(found)]


def _outcomes(
    statement: Check,
    evidence: Evidence,
    assumed: tuple[Hypothesis, ...],
    traces: Traces | None = None,
) -> list[Outcome]:
    """Return the verdict of one statement on each trajectory, under some hypotheses.

    Margins go to `traces`.
    """
    if _misplaced(statement, evidence):
        # What it measures is not there to be asked for.
        kind = _kind(statement, evidence)
        missed = torch.zeros(1, len(evidence), dtype=torch.bool)
        return [
            _not_applicable(int(row), (kind,), missed, position)
            for position, row in enumerate(evidence.rows.tolist())
        ]
    begun = Hypothesis(
        "begun",
        f"the trajectory got as far as t = {float(evidence.times[2]):.4g}",
        evidence.times[2] - evidence.reached,
    )
    hypotheses = (begun, *assumed)
    respected = torch.stack([each.excess <= 0.0 for each in hypotheses])
    able = respected.all(0)
    result = [
        _not_applicable(int(evidence.rows[position]), hypotheses, respected, position)
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


def _kind(statement: Check, evidence: Evidence) -> Hypothesis:
    """Return that the run is of the kind that a statement is about: a flow, or discrete steps."""
    of_training = bool(getattr(statement, "of_training", False))
    wrong = float(of_training != (evidence.training is not None))
    excess = torch.full((len(evidence),), wrong)
    if of_training:
        return Hypothesis("steps", "the run takes discrete steps (flowfa train)", excess)
    return Hypothesis("flow", "the run is a flow (flowfa simulate)", excess)


def _misplaced(statement: Check, evidence: Evidence) -> bool:
    """Return whether a statement is about the other kind of run."""
    return bool((_kind(statement, evidence).excess > 0.0).any())


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
            hypothesis="it speaks of something in this network",
        )
    return worst


def _not_applicable(
    trajectory: int, hypotheses: tuple[Hypothesis, ...], respected: Tensor, position: int
) -> Outcome:
    first = int((~respected[:, position]).nonzero()[0])
    return Outcome(
        trajectory,
        Verdict.NOT_APPLICABLE,
        hypothesis=hypotheses[first].text,
        failed_by=float(hypotheses[first].excess[position]),
    )


def _finding(
    statement: Check, outcomes: list[Outcome], estimates: tuple[Estimated, ...]
) -> Finding:
    """Return the worst of all trajectories."""
    counts = Counter(outcome.verdict for outcome in outcomes)
    verdict = max(counts, key=lambda each: each.severity)
    own = [outcome for outcome in outcomes if outcome.verdict is verdict]
    worst = min(own, key=_room)
    missed = [outcome for outcome in outcomes if outcome.hypothesis is not None]
    nearest = min(missed, key=_miss, default=None)
    applies = verdict is not Verdict.NOT_APPLICABLE
    return Finding(
        spec=statement.spec,
        statement=statement.statement,
        verdict=verdict,
        margin=worst.margin if applies else None,
        uncertainty=worst.uncertainty if applies else None,
        place=worst.place,
        trajectories={each.value: counts[each] for each in Verdict if counts[each]},
        failed_hypothesis=None if nearest is None else nearest.hypothesis,
        failed_by=None
        if nearest is None or nearest.failed_by != nearest.failed_by
        else nearest.failed_by,
        sentence=statement.reading if applies else "",
        estimates=estimates,
    )


def _room(outcome: Outcome) -> float:
    room = outcome.margin - outcome.uncertainty
    return room if room == room else -float("inf")


def _miss(outcome: Outcome) -> float:
    return outcome.failed_by if outcome.failed_by == outcome.failed_by else float("inf")


def _unwatched(doing: str) -> None:
    """Tell nobody."""


def _notes(evidence: Evidence) -> tuple[str, ...]:
    """Say which trajectories are checked in part only."""
    early = (evidence.reached < evidence.times[-1]).nonzero().flatten().tolist()
    if not early:
        return ()
    first = min(early, key=lambda position: float(evidence.reached[position]))
    return (
        f"{len(early)} of {len(evidence)} trajectories ended early and are checked as far as they "
        f"got; trajectory {int(evidence.rows[first])} to t = {float(evidence.reached[first]):.4g} "
        f"of {float(evidence.times[-1]):.4g}",
    )

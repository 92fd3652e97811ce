"""Checking a run: every statement on all trajectories, put together to a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from flowfa.machine.thread_scope import in_chosen_threads
from flowfa.simulation.run import Run
from flowfa.studies.clock import duration
from theory_checks.evidence.early_ends import EarlyEnd
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.from_run import evidence_of_run
from theory_checks.margins.measurement import Estimate
from theory_checks.statements.statement import Check, chosen
from theory_checks.verdicts.blocks import affordable, all_blocks
from theory_checks.verdicts.estimates import estimates_of, joined
from theory_checks.verdicts.finding import Finding
from theory_checks.verdicts.judging import confirmed, misplaced, outcomes_under, texts_of
from theory_checks.verdicts.outcome import Outcome
from theory_checks.verdicts.report import Report
from theory_checks.verdicts.traces import Traces

if TYPE_CHECKING:
    from xarray import DataTree

Watch = Callable[[str], None]
LONGEST = 2.0
"""Times the allowed seconds after which no further statement is begun on the first trajectory."""


@in_chosen_threads
def check(
    run: Run | DataTree | str | FilePath,
    only: str | Iterable[str] | None = None,
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
        Check about as many trajectories, and of the first one as many statements, as fit into this
        time; notes say what is left out. By default all.
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
    given = only if only is None or isinstance(only, str) else _listed(only)
    return check_evidence(
        evidence_of_run(run, ladder),
        chosen(given),
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
    rows: list[int] = []
    left_out: list[str] = []
    begun = time.monotonic()
    ignored: dict[str, str] = {}
    for block in all_blocks(evidence) if seconds is None else affordable(evidence, seconds):
        share = f"{len(rows) + len(block)} of {len(evidence)} trajectories"
        watch(f"{share}: integrating anew")
        # The paths are integrated here, once for all statements.
        _ = block.paths
        if traces is not None:
            traces.take_signs(block)
        assumed = [
            () if misplaced(statement, block) else statement.hypotheses(block)
            for statement in checks
        ]
        ignored |= texts_of([one for hypotheses in assumed for one in hypotheses], drop)
        for position, (statement, hypotheses) in enumerate(zip(checks, assumed, strict=True)):
            late = seconds is not None and time.monotonic() - begun > LONGEST * seconds
            if late and not rows and position and not left_out:
                # Findings speak of the same trajectories, so that later blocks lack them too.
                left_out = [check.spec for check in checks[position:]]
            if statement.spec in left_out:
                continue
            # Integrating counts as one statement, though it may take as long as all.
            done = len(rows) + len(block) * (position + 1) / (len(checks) + 1)
            watch(f"{share}: {statement.spec}{_left(done / len(evidence), begun)}")
            kept = tuple(one for one in hypotheses if one.name not in drop)
            new = outcomes_under(statement, block, kept, traces)
            outcomes[position] += confirmed(statement, block, kept, new) if confirm else new
            numbers[position].append(
                () if misplaced(statement, block) else estimates_of(statement, block)
            )
        rows += block.rows.tolist()
    order = sorted(range(len(rows)), key=rows.__getitem__)
    findings = tuple(
        Finding(
            statement.spec,
            statement.statement,
            statement.reading,
            tuple(sorted(of_all, key=lambda outcome: outcome.trajectory)),
            joined(parts, order),
        )
        for statement, of_all, parts in zip(checks, outcomes, numbers, strict=True)
        if statement.spec not in left_out
    )
    notes = tuple(f"not asked for: {name} ({text})" for name, text in ignored.items())
    if len(rows) < len(evidence) or left_out:
        notes = (_what_is_left_out(evidence, rows, left_out, seconds or 0.0), *notes)
    ended = _ended(findings)
    return Report(
        findings,
        (*notes, *_notes(evidence), *_why_ended(ended, len(rows))),
        _ground(evidence, len({end.trajectory for end in ended}), len(rows)),
    )


def _left(share: float, begun: float) -> str:
    """Return how much is done, and about how long the rest takes."""
    spent = time.monotonic() - begun
    return f", {100.0 * share:.0f} %, about {duration(spent * (1.0 - share) / share)} left"


def _what_is_left_out(
    evidence: Evidence, rows: list[int], left_out: list[str], seconds: float
) -> str:
    """Say what did not fit into the time, and how to get it."""
    of_rules = dict(zip(evidence.rows.tolist(), evidence.rules, strict=True))
    missing = [
        rule
        for rule in dict.fromkeys(evidence.rules)
        if rule not in {of_rules[row] for row in rows}
    ]
    parts = [f"checked {len(rows)} of {len(evidence)} trajectories"]
    if missing:
        parts.append(f"none of {', '.join(missing)}")
    if left_out:
        parts.append(f"without {', '.join(left_out)}")
    return f"{', '.join(parts)}, as fits into about {seconds:.0f} s: flowfa check does all of it"


def _listed(only: object) -> tuple[Any, ...]:
    """Return the entries of a list; what is no list is one entry, to be refused with its value."""
    return tuple(only) if isinstance(only, Iterable) else (only,)


def _ended(findings: Iterable[Finding]) -> list[EarlyEnd]:
    """Return the rungs that ended early and left a verdict open, each trajectory once."""
    ends = (outcome.ended for finding in findings for outcome in finding.outcomes)
    return list(dict.fromkeys(end for end in ends if end is not None))


def _why_ended(ended: list[EarlyEnd], checked: int) -> Iterator[str]:
    """Say of each rung that ended early where, why, and what to do."""
    kinds = dict.fromkeys((end.rung, end.status) for end in ended)
    for rung, status in kinds:
        same = [end for end in ended if (end.rung, end.status) == (rung, status)]
        first = min(same, key=lambda end: end.time)
        number = len({end.trajectory for end in same})
        yield (
            f"{rung} ended before the run on {number} of {checked} trajectories ({status}), and no "
            f"margin has an uncertainty from there on; trajectory {first.trajectory}, at t = "
            f"{first.time:.4g} of {first.until:.4g}, {first.message}; make the run so, and check it"
        )


def _ground(evidence: Evidence, ended: int, checked: int) -> str:
    """Say what the verdicts rest on; `ended` trajectories of those checked lack a rung."""
    if evidence.training is not None:
        return "measured by taking every step again from the stored start; uncertainty: rounding"
    rungs = " and ".join(rung.label for rung in evidence.rungs[-2:])
    if not ended:
        return f"measured with {rungs}; uncertainty: the difference of the two"
    return (
        f"measured with {rungs}; uncertainty: their difference as far as both got, unknown beyond "
        f"({ended} of {checked} trajectories)"
    )


def _unwatched(doing: str) -> None:
    """Take no notice of what is being done."""


def _notes(evidence: Evidence) -> tuple[str, ...]:
    """Say what is particular about the evidence: which trajectories are checked in part only."""
    notes = (evidence.note,) if evidence.note else ()
    early = (evidence.reached < evidence.times[-1]).nonzero().flatten().tolist()
    if not early:
        return notes
    first = min(early, key=lambda position: float(evidence.reached[position]))
    return (
        *notes,
        f"{len(early)} of {len(evidence)} trajectories ended early and are checked as far as they "
        f"got; trajectory {int(evidence.rows[first])} to t = {float(evidence.reached[first]):.4g} "
        f"of {float(evidence.times[-1]):.4g}",
    )

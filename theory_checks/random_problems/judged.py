"""Random problems against the statements of the theory: counts by verdict, and what fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from theory_checks.evidence.evidence import Evidence
from theory_checks.random_problems.problems import MAX_STEPS, RTOL, SAVES, RandomProblems
from theory_checks.random_problems.reduction import smallest
from theory_checks.statements.statement import Check, chosen
from theory_checks.verdicts.judging import outcomes_of
from theory_checks.verdicts.outcome import Outcome
from theory_checks.verdicts.verdict import Verdict

CLOSER = 10.0
"""Divisor of the tolerance where a verdict is looked at again."""
CLOSER_STEPS = 2 * MAX_STEPS
"""At that tolerance the steps of a third-order method are shorter by a factor of 2.15."""


@dataclass(frozen=True)
class Case:
    """The verdict of one statement on one random network.

    Attributes
    ----------
    statement : str
        The ID of the statement.
    problems : RandomProblems
        The batch.
    network : int
        Index of the network in the batch.
    outcome : Outcome
    status : str
        How the integration ended: ``ok``, ``chattering``, ...
    verdict_before : Verdict or None
        The verdict before the network was looked at again, at a finer tolerance; None if it was
        looked at once.
    """

    statement: str
    problems: RandomProblems
    network: int
    outcome: Outcome
    status: str
    verdict_before: Verdict | None = None

    @property
    def verdict(self) -> Verdict:
        """The verdict."""
        return self.outcome.verdict

    def groups(self) -> dict[str, str]:
        """Return what kind of problem it was, by the name of the division."""
        problems = self.problems
        return {
            "statement": self.statement,
            "rule": problems.rule.name,
            "loss": problems.loss,
            "hidden layers": str(problems.hidden_layers),
            "data": problems.data_kinds[self.network],
            "start": problems.start_kinds[self.network],
            "solver": problems.solver(),
            "ended": self.status,
        }


@dataclass
class Tally:
    """Counts of verdicts, and the cases that are open.

    Attributes
    ----------
    networks : int
        Networks that were looked at.
    again : int
        Verdicts that were looked at again.
    counts : Counter
        By (division, group, verdict): ``("data", "gaussian", Verdict.HOLDS)``.
    open : list of Case
        Verdicts ``violated`` and ``inconclusive``.
    """

    networks: int = 0
    again: int = 0
    counts: Counter[tuple[str, str, Verdict]] = field(default_factory=Counter)
    open: list[Case] = field(default_factory=list)

    @property
    def violated(self) -> list[Case]:
        """The cases in which a statement is violated."""
        return [case for case in self.open if case.verdict is Verdict.VIOLATED]

    def add(self, case: Case) -> None:
        """Count a case."""
        self.again += case.verdict_before is not None
        for division, group in case.groups().items():
            self.counts[division, group, case.verdict] += 1
        if case.verdict in (Verdict.VIOLATED, Verdict.INCONCLUSIVE):
            self.open.append(case)

    def groups(self, division: str) -> list[str]:
        """Return the groups of a division that occurred, in the order of their occurrence."""
        return list(dict.fromkeys(group for name, group, _ in self.counts if name == division))

    def count(self, division: str, group: str, verdict: Verdict) -> int:
        """Return how many cases of a group got a verdict."""
        return self.counts[division, group, verdict]

    def table(self, division: str = "statement") -> str:
        """Return a Markdown table of verdicts, one group a row."""
        lines = [
            f"| {division} | holds | violated | inconclusive | not applicable |",
            "|---|---|---|---|---|",
        ]
        order = (Verdict.HOLDS, Verdict.VIOLATED, Verdict.INCONCLUSIVE, Verdict.NOT_APPLICABLE)
        for group in self.groups(division):
            numbers = " | ".join(str(self.count(division, group, verdict)) for verdict in order)
            lines.append(f"| {group} | {numbers} |")
        return "\n".join(lines)


def run_randomised(
    statements: Iterable[str] | None,
    batches: Iterable[RandomProblems],
    *,
    rtol: float = RTOL,
    saves: int = SAVES,
    batch_done: Callable[[RandomProblems, list[Case]], None] | None = None,
) -> Tally:
    """Check statements on batches of random problems.

    Parameters
    ----------
    statements : iterable of str or None
        IDs; None: all that are registered.
    batches : iterable of RandomProblems
    rtol, saves
        As `RandomProblems.evidence`.
    batch_done : callable, optional
        Called with each batch and its cases when it is done.

    Raises
    ------
    InputError
        If a statement is unknown.
    """
    checks = chosen(None if statements is None else tuple(statements))
    tally = Tally()
    for problems in batches:
        evidence = problems.evidence(rtol=rtol, saves=saves)
        cases = list(cases_of(checks, problems, evidence, look_closer))
        for case in cases:
            tally.add(case)
        tally.networks += len(problems)
        if batch_done is not None:
            batch_done(problems, cases)
    return tally


def cases_of(
    checks: Iterable[Check],
    problems: RandomProblems,
    evidence: Evidence,
    again: Callable[[RandomProblems], Evidence] | None = None,
    confirm: bool = False,
) -> Iterator[Case]:
    """Yield the verdict of each statement on each network of a batch.

    Parameters
    ----------
    checks : iterable of Check
    problems : RandomProblems
    evidence : Evidence
        On the batch.
    again : callable, optional
        Returns finer evidence on one network. A statement that is violated or inconclusive is
        judged again on it, and the second verdict counts. One that is still violated must be so on
        one more rung, because two rungs sometimes agree by chance on a drift that a third makes
        smaller.
    confirm : bool
        Look at what is violated with one more rung, as ``flowfa check`` does.
    """
    # A rung that stopped early shortened what was looked at, so that its status counts.
    status = [
        next((ending for ending in endings if ending != "ok"), "ok")
        for endings in zip(*(path.status for path in evidence.paths), strict=True)
    ]
    closer: dict[int, Evidence] = {}
    for check in checks:
        for outcome in outcomes_of(check, evidence, confirm=confirm):
            network = outcome.trajectory
            case = Case(check.spec, problems, network, outcome, status[network])
            if again is not None and case.verdict in (Verdict.VIOLATED, Verdict.INCONCLUSIVE):
                if network not in closer:
                    closer[network] = again(problems.select(network))
                (outcome,) = outcomes_of(check, closer[network], confirm=True)
                case = replace(case, outcome=outcome, verdict_before=case.verdict)
            yield case


def look_closer(problems: RandomProblems) -> Evidence:
    """Return evidence at a tenth of the usual tolerance."""
    return problems.evidence(rtol=RTOL / CLOSER, max_steps=CLOSER_STEPS)


def explain(
    case: Case,
    folder: str | Path | None = None,
    *,
    rtol: float = RTOL,
    saves: int = SAVES,
    way: str | None = None,
) -> str:
    """Make a case as small as it can be, and return it as a program that shows it again.

    Parameters
    ----------
    case : Case
    folder : str or Path, optional
        Where the smallest problem is saved as ``STATEMENT.npz`` too.
    rtol, saves, way
        As `RandomProblems.evidence`, with which the case was found.
    """
    (check,) = chosen((case.statement,))
    again = case.verdict_before is not None
    if again:
        rtol = rtol / CLOSER

    def outcomes(problems: RandomProblems) -> list[Outcome]:
        evidence = problems.evidence(rtol=rtol, saves=saves, way=way)
        return outcomes_of(check, evidence, confirm=again)

    def fails(problems: RandomProblems) -> bool:
        (outcome,) = outcomes(problems)
        return outcome.verdict is case.verdict

    network = case.problems.select(case.network)
    # A failure that needs the other networks of the batch is shown with all of them.
    shown = smallest(network, fails) if fails(network) else case.problems
    (worst, *_) = sorted(outcomes(shown), key=lambda outcome: -outcome.verdict.severity)
    lines = [
        f"# {case.statement} is {worst.verdict.value}: margin {worst.margin:.3g}, uncertainty "
        f"{worst.uncertainty:.3g}, {worst.place}",
        f"# {shown.data_kinds[0]} data, {shown.start_kinds[0]} start; found in",
        f"# {case.problems!r}, network {case.network}",
    ]
    if folder is not None:
        path = Path(folder) / f"{case.statement}.npz"
        shown.save(path, overwrite=True)
        lines.append(f"# {shown.command(path)}")
    return "\n".join([*lines, shown.snippet(case.statement, rtol=rtol, saves=saves, way=way)])

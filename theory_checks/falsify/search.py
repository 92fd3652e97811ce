"""Searching: random draws find a neighbourhood, local optimisation its worst case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize

from flowfa.documents.display import fact_table
from flowfa.machine.thread_scope import in_chosen_threads
from flowfa.seeds import generator
from theory_checks.falsify.budget import Exhausted, Judge, Standing
from theory_checks.falsify.case import Case, Shape, case_of
from theory_checks.falsify.claim import Assessment, Claim
from theory_checks.falsify.drawing import draw_problems
from theory_checks.falsify.parts import vector_of, without_one_part
from theory_checks.falsify.simplify import simplify

DRAWS = 100
"""Draws of a round; each is a batch of the claim."""
STARTS = 3
"""Problems of a round from which the local search starts, each of another shape."""
EVALUATIONS = 600
"""Most batches of a local search."""
EQUALITY = 1e-9
"""Score at which a claim counts as an equality."""
GENERATIONS = 8
"""Generations of a local search by differential evolution."""
BRIEFLY = 2
"""Generations where a part was taken out of a counterexample."""


class _Settled(Exception):
    """A local search can gain no more: it has reached equality, or a first violation."""


@dataclass(frozen=True)
class Search:
    """The result of a search.

    Attributes
    ----------
    claim : Claim
    drop : tuple of str
        Hypotheses that were dropped.
    tried, applicable : int
        Problems assessed, and those that met all other hypotheses.
    seconds : float
    stopped : bool
        Whether the user ended it.
    case : Case or None
        The counterexample, or else the tightest case; None if no problem met the hypotheses.
    assessment : Assessment or None
        The assessment of `case`.
    nearest : Assessment or None
        The problem nearest to meeting the hypotheses, of those that did not.
    verified : str
        How the counterexample was confirmed at higher accuracy; empty if there is none.
    unconfirmed : int
        Violations that higher accuracy did not confirm.
    """

    claim: Claim
    drop: tuple[str, ...]
    tried: int
    applicable: int
    seconds: float
    stopped: bool
    case: Case | None
    assessment: Assessment | None
    nearest: Assessment | None
    verified: str = ""
    unconfirmed: int = 0

    @property
    def falsified(self) -> bool:
        """Whether a counterexample was found and confirmed."""
        return bool(self.verified)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the finding in a few facts, and the program."""
        found = self.falsified
        facts = {
            "statement": self.claim.statement,
            "result": "counterexample" if found else "no counterexample found",
            "problems": f"{self.tried} tried, {self.applicable} met the hypotheses",
            "confirmed": self.verified or "-",
        }
        if found and self.case is not None:
            facts["program"] = self.claim.snippet(self.case, frozenset(self.drop))
        return fact_table(self.claim.name, facts)


@in_chosen_threads
def search(
    claim: Claim,
    drop: frozenset[str] = frozenset(),
    seed: int = 0,
    examples: int | None = None,
    seconds: float = 60.0,
    stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[Standing], None] = lambda standing: None,
) -> Search:
    """Search a counterexample of a claim, or else its tightest case.

    Parameters
    ----------
    claim : Claim
    drop : frozenset of str
        Hypotheses not to ask for.
    seed : int
        Seed of everything random.
    examples : int, optional
        Most problems to try; `claim.examples` by default. More go into making a counterexample
        smaller.
    seconds : float
        Longest time to search; as much again may go into making a counterexample smaller.
    stopped : callable
        Asked often; the search ends with what it has once it is true.
    progress : callable
        Called often with the progress of the search.
    """
    budget = claim.examples if examples is None else examples
    judge = Judge(claim, drop, budget, seconds, stopped, progress)
    shapes = claim.shapes(drop)
    visits: Counter[Shape] = Counter()
    unconfirmed, round_number = 0, 0
    while not judge.exhausted:
        violations = _round(judge, shapes, visits, seed + 7919 * round_number)
        round_number += 1
        verified = claim.verify(violations[-1], drop) if violations else None
        if verified is not None:
            # Claims that are assessed in batches integrate flows, which is slow.
            reserve = claim.examples if claim.batch == 1 else claim.examples // 6
            judge.extend(reserve, seconds / 2.0)
            case, verified = _smaller(judge, violations[-1], verified)
            judge.extend(reserve, seconds / 2.0)
            case, verified = simplify(judge, case, verified)
            result = claim.assess([case], drop)[0]
            return _result(judge, replace_best=(case, result), verified=verified)
        if violations:
            # A violation that is not confirmed is neither a counterexample nor a tight case.
            unconfirmed += 1
            judge.best = None
    return replace(_result(judge), unconfirmed=unconfirmed)


def _result(
    judge: Judge, replace_best: tuple[Case, Assessment] | None = None, verified: str = ""
) -> Search:
    best = replace_best or judge.best
    return Search(
        judge.claim,
        tuple(sorted(judge.drop)),
        judge.tried,
        judge.applicable,
        judge.elapsed,
        judge.stopped,
        None if best is None else best[0],
        None if best is None else best[1],
        judge.nearest,
        verified,
    )


def _round(
    judge: Judge, shapes: tuple[Shape, ...], visits: Counter[Shape], seed: int
) -> list[Case]:
    """Draw problems, improve some of them, and return those that violate the claim.

    Shapes that were improved least often come first: many inequalities become equalities in small
    shapes, and the search would stay there.
    """
    best_of_shape: dict[Shape, tuple[float, np.ndarray]] = {}
    violated: list[Case] = []
    try:
        judge.phase = "drawing"
        _draw(judge, shapes, seed, best_of_shape, violated)
        judge.phase = "improving"
        order = sorted(best_of_shape, key=lambda shape: (visits[shape], best_of_shape[shape][0]))
        for shape in order[:STARTS]:
            if violated:
                break
            visits[shape] += 1
            start = best_of_shape[shape][1]
            violated += improve(judge, shape, start, seed)
    except Exhausted:
        pass
    return violated[-1:]


def _draw(
    judge: Judge,
    shapes: tuple[Shape, ...],
    seed: int,
    best_of_shape: dict[Shape, tuple[float, np.ndarray]],
    violated: list[Case],
) -> None:
    """Draw problems until one violates the claim, guided by their scores."""
    random = generator(seed, "draws")
    for _ in range(DRAWS):
        shape, points = draw_problems(shapes, judge.claim.batch, best_of_shape, random)
        scores = _scores(judge, [case_of(shape, point) for point in points], violated)
        least = int(scores.argmin())
        if shape not in best_of_shape or scores[least] < best_of_shape[shape][0]:
            best_of_shape[shape] = float(scores[least]), points[least]
        if violated:
            return


def improve(
    judge: Judge, shape: Shape, start: np.ndarray, seed: int, generations: int = GENERATIONS
) -> list[Case]:
    """Search the neighbourhood of a problem for a violation, by its real numbers alone.

    Claims that are assessed one by one are improved by the simplex method of Nelder and Mead,
    begun again from where it ended; others by differential evolution, a generation at a time. A
    violation is made worse by a second search from there.

    Returns
    -------
    list of Case
        The last, if there is one, is the worst.
    """
    point, violated = _descend(judge, shape, start, seed, generations, deeper=False)
    if violated:
        with suppress(Exhausted):
            violated += _descend(judge, shape, point, seed, generations, deeper=True)[1]
    return violated


def _descend(
    judge: Judge,
    shape: Shape,
    start: np.ndarray,
    seed: int,
    generations: int,
    deeper: bool,
) -> tuple[np.ndarray, list[Case]]:
    """Run one local search; return its best point and the violations, the worst of them last."""
    random = np.random.default_rng(seed)
    bounds = [(-1.0, 1.0)] * shape.numbers
    best, least, violated = np.clip(start, -1.0, 1.0), np.inf, []

    def score(points: np.ndarray) -> np.ndarray:
        nonlocal best, least
        columns = points[:, None] if points.ndim == 1 else points
        cases = [case_of(shape, column) for column in columns.T]
        violations: list[Case] = []
        values = _scores(judge, cases, violations)
        index = int(values.argmin())
        if values[index] < least:
            best, least = columns.T[index].copy(), float(values[index])
            if violations:
                violated.append(cases[index])
        if 0.0 <= least < EQUALITY or (violated and not deeper):
            raise _Settled
        return values if points.ndim == 2 else values[0]

    with suppress(_Settled):
        if judge.claim.batch > 1:
            optimize.differential_evolution(
                score,
                bounds,
                init=_around(best, judge.claim.batch, random),  # type: ignore[arg-type]  # the stub knows names only
                maxiter=generations,
                polish=False,
                vectorized=True,
                updating="deferred",
                tol=0.0,
                rng=random,
            )
        else:
            for size in (0.5, 0.1):
                simplex = _around(best, shape.numbers + 1, random, size)
                optimize.minimize(
                    score,
                    best,
                    method="Nelder-Mead",
                    bounds=bounds,
                    options={
                        "maxfev": EVALUATIONS,
                        "initial_simplex": simplex,
                        "adaptive": True,
                        "xatol": 1e-7,
                        "fatol": 1e-10,
                    },
                )
    return best, violated


def _around(
    point: np.ndarray, number: int, random: np.random.Generator, size: float = 0.5
) -> np.ndarray:
    """Return a point and random ones about it, (number, coordinate), inside the cube."""
    moved = point + size * random.uniform(-1.0, 1.0, (number, len(point)))
    moved[0] = point
    return np.clip(moved, -1.0, 1.0)


def _scores(judge: Judge, cases: list[Case], violated: list[Case]) -> np.ndarray:
    """Return the scores of cases, which the search makes small, and note violations."""
    assessments = judge(cases)
    violated += [
        case for case, assessment in zip(cases, assessments, strict=True) if assessment.violated
    ]
    return np.nan_to_num(
        np.array([assessment.score for assessment in assessments]), nan=1e9, posinf=1e9
    )


def _smaller(judge: Judge, case: Case, verified: str) -> tuple[Case, str]:
    """Take parts out of a counterexample as long as what is left is one, or can be made one."""
    judge.phase = "making it smaller"
    known = set(judge.claim.shapes(judge.drop))
    made_smaller = True
    with suppress(Exhausted):
        while made_smaller:
            made_smaller = False
            for candidate in without_one_part(case):
                if candidate.shape not in known:
                    continue
                violations = improve(judge, candidate.shape, vector_of(candidate), 0, BRIEFLY)
                confirmation = (
                    judge.claim.verify(violations[-1], judge.drop) if violations else None
                )
                if confirmation is not None:
                    case, verified, made_smaller = violations[-1], confirmation, True
                    break
    return case, verified

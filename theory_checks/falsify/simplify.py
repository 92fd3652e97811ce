"""Making the numbers of a counterexample short, as far as it stays one."""

from __future__ import annotations

import numpy as np

from theory_checks.falsify.budget import Exhausted, Judge
from theory_checks.falsify.case import Case

DECIMALS = (0, 1, 2, 3, 4, 6)
PLAIN = (1.0, 0.5, 0.1)
"""Sizes that any number may be replaced by, because they are easily read."""
KEPT = 0.3
"""Share of the violation that must be left after each array of numbers was shortened."""


def simplify(judge: Judge, case: Case, verified: str) -> tuple[Case, str]:
    """Return the counterexample with shorter numbers, and how it was confirmed.

    All numbers are rounded together first, then each by itself: to zero, a plain size, or
    fewer decimals.
    A shorter counterexample must be confirmed at higher accuracy like the original.
    """
    judge.phase = "rounding"
    try:
        case, verified = _together(judge, case, verified)
        for position in _numbers_of(case):
            case, verified = _one(judge, case, verified, position)
    except Exhausted:
        pass
    return case, verified


def _together(judge: Judge, case: Case, verified: str) -> tuple[Case, str]:
    """Round all numbers to as few decimals as will do."""
    rounded = [
        Case(case.shape, {name: _tidy(np.round(a, digits)) for name, a in case.arrays.items()})
        for digits in DECIMALS
    ]
    return _first(judge, case, verified, rounded)


def _one(
    judge: Judge, case: Case, verified: str, position: tuple[str, tuple[int, ...]]
) -> tuple[Case, str]:
    """Shorten one number."""
    name, index = position
    value = case[name][index]
    candidates, seen = [], {float(value)}
    rounded = (float(np.round(value, digits)) for digits in DECIMALS)
    for shorter in (0.0, *(float(np.copysign(size, value)) for size in PLAIN), *rounded):
        if shorter in seen or len(repr(shorter)) >= len(repr(float(value))):
            continue
        seen.add(shorter)
        changed = case[name].copy()
        changed[index] = shorter
        candidates.append(case.changed(name, _tidy(changed)))
    return _first(judge, case, verified, candidates) if candidates else (case, verified)


def _first(judge: Judge, case: Case, verified: str, candidates: list[Case]) -> tuple[Case, str]:
    """Return the first candidate that is a counterexample too, and not a much weaker one."""
    before, *assessments = judge([case, *candidates])
    for candidate, after in zip(candidates, assessments, strict=True):
        if after.violated and after.score <= KEPT * before.score:
            confirmation = judge.claim.verify(candidate, judge.drop)
            if confirmation is not None:
                return candidate, confirmation
    return case, verified


def _numbers_of(case: Case) -> list[tuple[str, tuple[int, ...]]]:
    """Return name and index of each number that may be shortened."""
    labels = ("y",) if case["y"].ndim == 1 else ()
    return [
        (name, index)
        for name, array in case.arrays.items()
        if name not in labels
        for index in np.ndindex(array.shape)
    ]


def _tidy(array: np.ndarray) -> np.ndarray:
    """Return an array without negative zeros."""
    return array + 0.0

"""The result of a search, as text and as JSON."""

from __future__ import annotations

import math
from typing import Any

from flowfa.files.own_code import source_of
from flowfa.problems.losses import LOSSES
from flowfa.problems.rules import RULES
from theory_checks.falsify.case import Case
from theory_checks.falsify.search import Search

HOLDS, VIOLATED, NOTHING = 0, 1, 2


def exit_code(result: Search) -> int:
    """Return 1 for a counterexample, 2 if no problem met the hypotheses, else 0."""
    if result.falsified:
        return VIOLATED
    return NOTHING if result.case is None else HOLDS


def lines(result: Search) -> list[str]:
    """Return the report, line by line, a counterexample as a program at its end."""
    report = [f"{result.claim.name}: {result.claim.statement}"]
    texts = result.claim.hypotheses() if result.drop else {}
    report += [f"not asked for: {name} ({texts[name]})" for name in result.drop]
    tried = f"{result.tried} problems in {result.seconds:.1f} s"
    if result.stopped:
        tried += ", stopped"
    if result.unconfirmed:
        report.append(f"{result.unconfirmed} violation(s) were not confirmed at higher accuracy")
    if result.case is None or result.assessment is None:
        report.append(f"no problem met all hypotheses, out of {tried}")
        if result.nearest is not None:
            by = result.nearest.missed_by
            amount = f" by {by:.3g}" if math.isfinite(by) else ""
            report.append(f"nearest: {result.nearest.missed!r} missed{amount}")
        return report
    case, assessment = result.case, result.assessment
    tight = ""
    if math.isfinite(assessment.tightness):
        tight = f", {result.claim.unit} = {assessment.tightness:.6g}"
    if not result.falsified:
        report.append(
            f"no counterexample in {tried} ({result.applicable} met the hypotheses); tightest "
            f"case: margin {assessment.margin:.4g}{tight}"
        )
        report.append(f"tightest case: {_summary(case)}")
        return report
    report.append(f"COUNTEREXAMPLE after {tried}, {result.verified}{tight}")
    report.append(f"the smallest one found: {_summary(case)}")
    return [*report, "", result.claim.snippet(case, frozenset(result.drop))]


def hint(case: Case, path: str) -> str:
    """Return the command that simulates the flow of a saved case."""
    shape = case.shape
    sources = (source_of(RULES.get(shape.rule)), source_of(LOSSES.get(shape.loss)))
    own = dict.fromkeys(source.name for source in sources if source is not None)
    return (
        f"flowfa simulate --dataset {path} --init {path} --trajectories 1 --rule {shape.rule} "
        f"--loss {shape.loss} --leak {shape.leak:g}" + (f" --import {' '.join(own)}" if own else "")
    )


def to_json_dict(result: Search) -> dict[str, Any]:
    """Return the result, JSON-ready."""
    case, assessment = result.case, result.assessment
    return {
        "statement": result.claim.name,
        "text": result.claim.statement,
        "dropped_hypotheses": list(result.drop),
        "falsified": result.falsified,
        "verified": result.verified or None,
        "unconfirmed": result.unconfirmed,
        "problems": result.tried,
        "met_hypotheses": result.applicable,
        "seconds": result.seconds,
        "stopped": result.stopped,
        "margin": None if assessment is None else _number(assessment.margin),
        "uncertainty": None if assessment is None else _number(assessment.uncertainty),
        "tightness": None if assessment is None else _number(assessment.tightness),
        "tightness_unit": result.claim.unit,
        "case": None if case is None else _case(case),
        "snippet": None
        if case is None or not result.falsified
        else result.claim.snippet(case, frozenset(result.drop)),
    }


def _case(case: Case) -> dict[str, Any]:
    return {
        "rule": case.shape.rule,
        "loss": case.shape.loss,
        "leak": case.shape.leak,
        "sizes": list(case.shape.sizes),
        "samples": case.shape.samples,
        "arrays": {name: array.tolist() for name, array in case.arrays.items()},
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _summary(case: Case) -> str:
    shape = case.shape
    sizes = "-".join(map(str, shape.sizes))
    samples = f"{shape.samples} sample" + ("s" if shape.samples > 1 else "")
    return f"{shape.rule}, network {sizes}, {samples}, {shape.loss} loss, leak {shape.leak:g}"

"""What a search came to, for people and for programs."""

from __future__ import annotations

import math
from typing import Any

from theory_checks.falsify.case import Case
from theory_checks.falsify.search import Search

HOLDS, VIOLATED, NOTHING = 0, 1, 2


def exit_code(found: Search) -> int:
    """Return 1 for a counterexample, 2 if no problem met the hypotheses, else 0."""
    if found.falsified:
        return VIOLATED
    return NOTHING if found.case is None else HOLDS


def lines(found: Search) -> list[str]:
    """Return the report, line by line, a counterexample as a program at its end."""
    told = [f"{found.claim.name}: {found.claim.statement}"]
    texts = found.claim.hypotheses() if found.drop else {}
    told += [f"not asked for: {name} ({texts[name]})" for name in found.drop]
    tried = f"{found.tried} problems in {found.seconds:.1f} s"
    if found.stopped:
        tried += ", stopped"
    if found.unconfirmed:
        told.append(f"{found.unconfirmed} violation(s) were not confirmed at higher accuracy")
    if found.case is None or found.assessment is None:
        told.append(f"no problem met all hypotheses, out of {tried}")
        if found.nearest is not None:
            told.append(
                f"nearest: {found.nearest.missed!r} missed by {found.nearest.missed_by:.3g}"
            )
        return told
    case, assessment = found.case, found.assessment
    tight = ""
    if math.isfinite(assessment.tightness):
        tight = f", {found.claim.unit} = {assessment.tightness:.6g}"
    if not found.falsified:
        told.append(
            f"no counterexample in {tried} ({found.applicable} met the hypotheses); tightest case: "
            f"margin {assessment.margin:.4g}{tight}"
        )
        told.append(f"tightest case: {_summary(case)}")
        return told
    told.append(f"COUNTEREXAMPLE after {tried}, {found.verified}{tight}")
    told.append(f"the smallest one found: {_summary(case)}")
    return [*told, "", found.claim.snippet(case, frozenset(found.drop))]


def hint(case: Case, place: str) -> str:
    """Return the command that simulates the flow of a saved case."""
    shape = case.shape
    return (
        f"flowfa simulate --dataset {place} --init {place} --trajectories 1 --rule {shape.rule} "
        f"--loss {shape.loss} --leak {shape.leak:g}"
    )


def to_json_dict(found: Search) -> dict[str, Any]:
    """Return all of it, JSON-ready."""
    case, assessment = found.case, found.assessment
    return {
        "statement": found.claim.name,
        "text": found.claim.statement,
        "dropped_hypotheses": list(found.drop),
        "falsified": found.falsified,
        "verified": found.verified or None,
        "unconfirmed": found.unconfirmed,
        "problems": found.tried,
        "met_hypotheses": found.applicable,
        "seconds": found.seconds,
        "stopped": found.stopped,
        "margin": None if assessment is None else _number(assessment.margin),
        "uncertainty": None if assessment is None else _number(assessment.uncertainty),
        "tightness": None if assessment is None else _number(assessment.tightness),
        "tightness_unit": found.claim.unit,
        "case": None if case is None else _case(case),
        "snippet": None
        if case is None or not found.falsified
        else found.claim.snippet(case, frozenset(found.drop)),
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

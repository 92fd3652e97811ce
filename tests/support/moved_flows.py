"""Small flows with rates and decay of layers, and what a check says of them."""

from __future__ import annotations

from typing import Any

from flowfa.flow.network_flow import NetworkFlow
from theory_checks.controls.flows import small_ensemble, small_problem
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.from_flow import evidence_of_flow
from theory_checks.statements.statement import Check
from theory_checks.verdicts.check import check_evidence
from theory_checks.verdicts.finding import Finding


def moved_evidence(rule: str, bias: str = "none", leak: float = 0.3, **motion: Any) -> Evidence:
    """Return evidence on a small flow of two hidden layers, moved as `motion` says."""
    problem = small_problem(rule, bias, leak).moving(**motion)
    flow = NetworkFlow(problem, small_ensemble(problem))
    return evidence_of_flow(flow, t_end=1.0, rtol=1e-6, saves=17)


def finding_of(check: Check, evidence: Evidence) -> Finding:
    """Return what a check says of evidence."""
    return check_evidence(evidence, [check]).findings[0]

"""theory_checks says of each statement of the theory whether it holds along a run of flowfa."""

from theory_checks import conservation, rate, reproduction
from theory_checks.alignment import dale, definition, sign
from theory_checks.base import CHECKS, Check, register
from theory_checks.checking import check, check_evidence
from theory_checks.convergence import decay, dominance, explicit
from theory_checks.data import margin, orthogonal
from theory_checks.evidence import Evidence
from theory_checks.measurement import Estimate, Hypothesis, Item, Measurement
from theory_checks.report import Finding, Place, Report
from theory_checks.source import evidence_of_flow, evidence_of_run
from theory_checks.stored import store
from theory_checks.traces import Traces
from theory_checks.verdict import Verdict

__all__ = [
    "CHECKS",
    "Check",
    "Estimate",
    "Evidence",
    "Finding",
    "Hypothesis",
    "Item",
    "Measurement",
    "Place",
    "Report",
    "Traces",
    "Verdict",
    "check",
    "check_evidence",
    "conservation",
    "dale",
    "decay",
    "definition",
    "dominance",
    "evidence_of_flow",
    "evidence_of_run",
    "explicit",
    "margin",
    "orthogonal",
    "rate",
    "register",
    "reproduction",
    "sign",
    "store",
]

"""theory_checks says of each statement of the theory whether it holds along a run of flowfa."""

from theory_checks import laws, statements
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.from_flow import evidence_of_flow
from theory_checks.evidence.from_run import evidence_of_run
from theory_checks.margins.measurement import Estimate, Hypothesis, Item, Measurement
from theory_checks.statements.statement import CHECKS, Check, chosen, register
from theory_checks.verdicts.check import check, check_evidence
from theory_checks.verdicts.finding import Finding
from theory_checks.verdicts.outcome import Outcome, Place
from theory_checks.verdicts.report import Report
from theory_checks.verdicts.stored import store
from theory_checks.verdicts.traces import Traces
from theory_checks.verdicts.verdict import Verdict

__all__ = [
    "CHECKS",
    "Check",
    "Estimate",
    "Evidence",
    "Finding",
    "Hypothesis",
    "Item",
    "Measurement",
    "Outcome",
    "Place",
    "Report",
    "Traces",
    "Verdict",
    "check",
    "check_evidence",
    "chosen",
    "evidence_of_flow",
    "evidence_of_run",
    "laws",
    "register",
    "statements",
    "store",
]

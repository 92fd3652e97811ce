"""Which check finds which wrong implementation of a rule.

Run with ``python validation/mutation_study.py``; prints the Markdown tables of
docs/laboratory/mutation-study.md. Exit status 1 if a mutant survives all checks.
"""

from __future__ import annotations

import sys

import torch

from theory_checks import Verdict, check_evidence
from theory_checks.controls.mutants import (
    EQUIVALENT,
    MUTANTS,
    evidence_of_mutant,
    evidence_of_pieces,
    names_of,
)
from theory_checks.controls.pieces import Pieces
from theory_checks.evidence.evidence import Evidence
from theory_checks.statements.statement import chosen

MARKS = {
    Verdict.VIOLATED: "**caught**",
    Verdict.INCONCLUSIVE: "open",
    Verdict.HOLDS: "holds",
    Verdict.NOT_APPLICABLE: "-",
}


def row(name: str, evidence: Evidence, specs: tuple[str, ...]) -> tuple[str, bool]:
    """Return a line of the table, and whether some check finds the mutant."""
    report = check_evidence(evidence, chosen(specs))
    verdicts = [report[spec].verdict for spec in specs]
    marks = " | ".join(MARKS[verdict] for verdict in verdicts)
    return f"| {name} | {marks} |", Verdict.VIOLATED in verdicts


def main() -> int:
    """Print the tables."""
    torch.set_num_threads(1)
    survivors, total = [], 0
    for rule in MUTANTS:
        sound = check_evidence(evidence_of_pieces(rule, Pieces()), chosen(None))
        specs = tuple(
            finding.spec
            for finding in sound.findings
            if finding.verdict is not Verdict.NOT_APPLICABLE
        )
        print(f"\n### {rule}\n\n| mutant | {' | '.join(specs)} |")
        print(f"|---|{'---|' * len(specs)}")
        print(row("none (pieces as they should be)", evidence_of_pieces(rule, Pieces()), specs)[0])
        for name in names_of(rule):
            line, caught = row(name, evidence_of_mutant(rule, name), specs)
            print(line, flush=True)
            total += 1
            survivors += [] if caught else [f"{rule}: {name}"]
        for name, (pieces, reason) in EQUIVALENT.get(rule, {}).items():
            print(row(f"{name} (equivalent: {reason})", evidence_of_pieces(rule, pieces), specs)[0])
    print(f"\n{total - len(survivors)} of {total} mutants are caught; survivors: {survivors}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())

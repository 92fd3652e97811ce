"""Registered checks as claims: margins along the trajectories of small random flows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import torch

from flowfa.datasets import Dataset
from flowfa.errors import FlowfaError
from flowfa.files.own_code import import_lines
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import Problem
from flowfa.problems.ensemble import build_ensemble
from flowfa.problems.losses import LOSSES
from flowfa.problems.rules import RULES
from flowfa.problems.starts import given_start
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.from_flow import evidence_of_flow
from theory_checks.falsify.case import Case, Shape, case_of
from theory_checks.falsify.claim import DROPPED, FAR, MISSED, Assessment
from theory_checks.margins.measurement import Hypothesis
from theory_checks.random_problems.structure import rule_names
from theory_checks.statements.statement import CHECKS
from theory_checks.verdicts.judging import outcomes_of
from theory_checks.verdicts.outcome import Outcome
from theory_checks.verdicts.verdict import Verdict

T_END = 2.0
SAVES = 9
RTOL = 1e-5
SMALLEST = 1e-9
"""The least violation that counts: the numbers of problems are of order one."""
FINE = 1e-10
"""The tolerance at which a counterexample is confirmed."""
CONDITION = 1.0
"""Amount that a failed condition counts as in the score of a search."""
FIRST = ("fa", "adafa", "signfa", "gd", "dfa", "frsf")
"""Rules in the order in which they are tried; others that are registered in form follow."""
SAMPLED = 8
"""Random problems of a kind by which to see whether the statement applies to it."""


@dataclass(frozen=True)
class CheckClaim:
    """A statement of the table of checks.

    Attributes
    ----------
    name : str
        Its ID.
    """

    name: str
    examples: int = 1000
    batch: int = 12
    unit: str = "margin / uncertainty"

    @property
    def statement(self) -> str:
        """The statement in words."""
        return CHECKS.get(self.name).statement

    def hypotheses(self) -> Mapping[str, str]:
        """Return name and text of each hypothesis."""
        shape = Shape((2, 2, 1), 2)
        evidence = evidence_of([case_of(shape, np.full(shape.numbers, 0.5))])
        return {
            hypothesis.name: hypothesis.text
            for hypothesis in CHECKS.get(self.name)().hypotheses(evidence)
        }

    def shapes(self, drop: frozenset[str]) -> tuple[Shape, ...]:
        """Return the shapes of problems that the statement speaks of."""
        return _shapes(self.name, drop)

    def assess(self, cases: Sequence[Case], drop: frozenset[str]) -> list[Assessment]:
        """Integrate the flows of problems of one shape, and check them."""
        check, evidence = CHECKS.get(self.name)(), evidence_of(cases)
        slack = _slack(self.name, evidence, drop)
        try:
            outcomes = outcomes_of(check, evidence, drop)
        except FlowfaError:
            # If the solver refuses to begin, it does so for all problems of the batch.
            return [Assessment(FAR) for _ in cases]
        return [_assessment(o, s) for o, s in zip(outcomes, slack, strict=True)]

    def verify(self, case: Case, drop: frozenset[str]) -> str | None:
        """Check the flow again at `FINE`."""
        outcome = outcomes_of(CHECKS.get(self.name)(), evidence_of([case], FINE), drop)[0]
        if outcome.verdict is not Verdict.VIOLATED or outcome.margin > -SMALLEST:
            return None
        return (
            f"verified at rtol {FINE:g}: margin {outcome.margin:.6g} +- {outcome.uncertainty:.1g}"
        )

    def snippet(self, case: Case, drop: frozenset[str]) -> str:
        """Return code that integrates the flow and asks the check."""
        shape = case.shape
        needed = (RULES.get(shape.rule), LOSSES.get(shape.loss), CHECKS.get(self.name))
        return "\n".join(
            [
                "import numpy as np",
                "from flowfa.datasets import Dataset",
                "from flowfa.flow.network_flow import NetworkFlow",
                "from flowfa.problems import Problem",
                "from flowfa.problems.ensemble import build_ensemble",
                "from flowfa.problems.starts import given_start",
                "from theory_checks import CHECKS, evidence_of_flow",
                "from theory_checks.verdicts.judging import outcomes_of",
                *import_lines(*needed),
                "",
                *case.lines(),
                "",
                f"start = given_start(dict({', '.join(f'{n}={n}' for n in case.start)}))",
                "problem = Problem(",
                f"    Dataset(X, y), leak={shape.leak!r}, rule={shape.rule!r}, "
                f"loss={shape.loss!r}, initial=start",
                ")",
                "flow = NetworkFlow(problem, build_ensemble(problem, 1, seed=0))",
                f"evidence = evidence_of_flow(flow, t_end={T_END!r}, saves={SAVES!r}, "
                f"rtol={FINE!r})",
                f"check = CHECKS.get({self.name!r})()",
                f"outcome = outcomes_of(check, evidence, drop={tuple(sorted(drop))!r})[0]",
                "margin = outcome.margin",
                'print(f"{outcome.verdict.value}: margin {margin:.6g}, '
                'uncertainty {outcome.uncertainty:.1g}, at {outcome.place}")',
            ]
        )


def evidence_of(
    cases: Sequence[Case], rtol: float = RTOL, t_end: float = T_END, saves: int = SAVES
) -> Evidence:
    """Return evidence on the flows of problems of one shape, a trajectory each."""
    shape = cases[0].shape
    stacked = {name: np.stack([case[name] for case in cases]) for name in cases[0].arrays}
    start = given_start({name: stacked[name] for name in cases[0].start})
    data = Dataset(stacked["X"], stacked["y"], "random problems")
    problem = Problem(data, leak=shape.leak, rule=shape.rule, loss=shape.loss, initial=start)
    flow = NetworkFlow(problem, build_ensemble(problem, None, seed=0))
    return evidence_of_flow(flow, t_end=t_end, saves=saves, rtol=rtol)


def _slack(name: str, evidence: Evidence, drop: frozenset[str]) -> list[float]:
    """Return by how much each problem respects the dropped hypotheses; -inf if none is dropped."""
    hypotheses = CHECKS.get(name)().hypotheses(evidence)
    dropped = [_excess(hypothesis) for hypothesis in hypotheses if hypothesis.name in drop]
    if not dropped:
        return [-math.inf] * len(evidence)
    return (-torch.stack(dropped).nan_to_num(0.0)).amin(0).tolist()


def _excess(hypothesis: Hypothesis) -> torch.Tensor:
    """Return what a search makes small to meet a hypothesis, positive where it fails.

    A condition has no amount: it counts as `CONDITION` where it fails.
    """
    if hypothesis.excess is None:
        return (~hypothesis.respected).double() * CONDITION
    excess = hypothesis.excess.double()
    least = torch.finfo(excess.dtype).tiny
    return torch.where(hypothesis.respected, excess, excess.clamp_min(least))


def _assessment(outcome: Outcome, slack: float) -> Assessment:
    if outcome.verdict is Verdict.NOT_APPLICABLE:
        by = CONDITION if outcome.failed_by is None else outcome.failed_by
        amount = min(by, FAR) if math.isfinite(by) else FAR
        return Assessment(
            MISSED + amount,
            missed=outcome.failed_hypothesis,
            missed_by=math.inf if outcome.failed_by is None else amount,
        )
    if slack >= 0.0:
        return Assessment(MISSED + min(slack, FAR), missed=DROPPED, missed_by=slack)
    margin, uncertainty = outcome.margin, outcome.uncertainty
    if not math.isfinite(margin + uncertainty) or not uncertainty > 0.0:
        # A law whose terms are all zero is not tested.
        return Assessment(FAR)
    if outcome.verdict is Verdict.VIOLATED and margin > -SMALLEST:
        return Assessment(FAR)
    ratio = margin / uncertainty
    # The score is negative for violations, and between -1 and 1 whatever the unit.
    score = (ratio + 1.0) / (1.0 + abs(ratio + 1.0))
    return Assessment(score, margin, uncertainty, ratio)


@cache
def _shapes(name: str, drop: frozenset[str]) -> tuple[Shape, ...]:
    """Return small shapes of every kind of problem of which a statement speaks."""
    rules = FIRST + tuple(rule for rule in rule_names() if rule not in FIRST)
    kinds = [
        (rule, leak, loss, outputs, biased, depth)
        for rule, leak, (loss, outputs), biased, depth in product(
            rules,
            (0.5, 1.0),
            (("exponential", 1), ("logistic", 1), ("squared", 2)),
            (False, True),
            (1, 2),
        )
    ]
    shapes = []
    for rule, leak, loss, outputs, biased, depth in kinds:
        of_kind = [
            Shape((dim, *(width,) * depth, outputs), samples, rule, loss, leak, biased)
            for dim, width, samples in product((1, 2), (1, 2, 3) if depth == 1 else (1, 2), (1, 2))
        ]
        # Whether a statement speaks of a problem depends on its kind, hardly on its size.
        if _speaks_of(name, drop, of_kind[-1]):
            shapes += of_kind
    return tuple(sorted(shapes, key=lambda shape: shape.numbers))


def _speaks_of(name: str, drop: frozenset[str], shape: Shape) -> bool:
    """Return whether some random problem of a shape can be one of the search."""
    random = np.random.default_rng(0)
    vectors = random.uniform(-1.0, 1.0, (SAMPLED, shape.numbers))
    cases = [case_of(shape, vector) for vector in vectors]
    # Some hypotheses need the trajectories; a short and coarse integration is enough.
    evidence = evidence_of(cases, rtol=1e-3, t_end=T_END / 100.0, saves=3)
    for hypothesis in CHECKS.get(name)().hypotheses(evidence):
        # A hypothesis that all problems miss by the same amount depends on their kind alone, and no
        # other numbers can meet it.
        failed, excess = ~hypothesis.respected, _excess(hypothesis)
        if hypothesis.name in drop:
            if not failed.any():
                return False
        elif failed.all() and bool((excess == excess[0]).all()):
            return False
    return True

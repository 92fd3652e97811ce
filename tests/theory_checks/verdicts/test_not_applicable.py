"""What a report says of a hypothesis that fails: a condition, or an inequality and its amount."""

from __future__ import annotations

import pytest
import torch

from theory_checks import Finding, Hypothesis, Outcome, Report, Verdict, evidence_of_flow
from theory_checks.controls import small_flow
from theory_checks.verdicts.judging import outcomes_of


class Assuming:
    """A statement of nothing but hypotheses."""

    spec, statement, reading = "X-1", "it is so", "margin: none"

    def __init__(self, *hypotheses):
        self.assumed = hypotheses

    def hypotheses(self, evidence):
        return self.assumed

    def measure(self, evidence):
        raise AssertionError("a statement that does not apply is not measured")

    def controls(self):
        return {}


@pytest.fixture(scope="module")
def evidence():
    return evidence_of_flow(small_flow("fa"), t_end=1.0, saves=3)


def explained(outcomes):
    return " ".join(Report((Finding("X-1", "it is so", "", tuple(outcomes)),)).explanations())


def test_condition_that_fails_has_no_amount(evidence):
    condition = Hypothesis.of("rule", "the rule is gd", evidence.under("gd"))
    outcomes = outcomes_of(Assuming(condition), evidence)
    assert {outcome.failed_by for outcome in outcomes} == {None}
    finding = Finding("X-1", "it is so", "", tuple(outcomes))
    assert finding.to_json_dict()["failed_by"] is None
    assert explained(outcomes).endswith("does not apply unless the rule is gd")


def test_inequality_that_fails_tells_its_amount(evidence):
    excess = torch.tensor([0.0123, 0.5, torch.nan], dtype=torch.float64)
    outcomes = outcomes_of(Assuming(Hypothesis.measured("kappa", "kappa >= 0", excess)), evidence)
    assert explained(outcomes).endswith("does not apply unless kappa >= 0 (by 0.0123)")
    assert explained(outcomes[2:]).endswith("does not apply unless kappa >= 0")
    assert Finding("X-1", "", "", tuple(outcomes[2:])).failed_by is None


def test_strict_inequality_that_is_an_equality_fails_by_nothing_to_tell(evidence):
    value = torch.zeros(3, dtype=torch.float64)
    outcomes = outcomes_of(Assuming(Hypothesis.positive("kappa", "kappa > 0", value)), evidence)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.NOT_APPLICABLE}
    assert explained(outcomes).endswith("does not apply unless kappa > 0")
    (finding,) = Report((Finding("X-1", "", "", tuple(outcomes)),)).to_json_dict()["findings"]
    # No minus zero.
    assert str(finding["failed_by"]) == "0.0"


def test_the_least_number_stands_for_an_equality_and_is_not_told(evidence):
    excess = torch.full((3,), torch.finfo(torch.float64).tiny, dtype=torch.float64)
    outcomes = outcomes_of(Assuming(Hypothesis.measured("kappa", "kappa >= 0", excess)), evidence)
    assert explained(outcomes).endswith("does not apply unless kappa >= 0")


def test_first_hypothesis_that_fails_is_named(evidence):
    first = Hypothesis.of("first", "the first", torch.tensor([True, False, False]))
    second = Hypothesis.of("second", "the second", torch.tensor([False, True, False]))
    outcomes = outcomes_of(Assuming(first, second), evidence)
    names = [outcome.failed_hypothesis for outcome in outcomes]
    assert names == ["the second", "the first", "the first"]


def test_nearest_miss_is_told_and_a_condition_only_where_no_amount_is_known():
    def missed(text, by):
        return Outcome(0, Verdict.NOT_APPLICABLE, failed_hypothesis=text, failed_by=by)

    condition, far, near = missed("condition", None), missed("far", 7.0), missed("near", 3.0)
    unknown = missed("unknown", float("nan"))
    for outcomes, text in (
        ((condition, unknown, far, near), "near"),
        ((condition, far), "far"),
        ((condition,), "condition"),
    ):
        assert Finding("X-1", "", "", outcomes).failed_hypothesis == text


def test_finding_is_the_worst_of_its_outcomes():
    outcomes = (
        Outcome(0, Verdict.NOT_APPLICABLE, failed_hypothesis="the rule is fa"),
        Outcome(1, Verdict.INCONCLUSIVE, 0.1, 1.0),
        Outcome(2, Verdict.HOLDS, 5.0, 1.0),
        Outcome(3, Verdict.INCONCLUSIVE, float("nan"), 1.0),
    )
    finding = Finding("X-1", "it is so", "margin: room", outcomes)
    assert finding.verdict is Verdict.INCONCLUSIVE and finding.worst.trajectory == 3
    assert finding.trajectories == {"not applicable": 1, "holds": 1, "inconclusive": 2}
    assert finding.sentence == "margin: room" and finding.failed_hypothesis == "the rule is fa"
    alone = Finding("X-1", "it is so", "margin: room", outcomes[:1])
    assert alone.margin is None and alone.uncertainty is None and alone.sentence == ""

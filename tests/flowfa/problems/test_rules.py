"""Every built-in rule passes the shared template."""

from __future__ import annotations

import pytest

from flowfa.errors import InputError
from flowfa.problems.rules import (
    AdaptiveFeedbackAlignment,
    DirectFeedbackAlignment,
    FeedbackAlignment,
    FixedRandomSignFeedback,
    GradientDescent,
    Rule,
    SignFeedbackAlignment,
    rule,
)
from flowfa.testing import RuleTestCase


class TestGradientDescent(RuleTestCase):
    def make(self) -> Rule:
        return GradientDescent()


class TestFeedbackAlignment(RuleTestCase):
    def make(self) -> Rule:
        return FeedbackAlignment()


class TestAdaptiveFeedbackAlignment(RuleTestCase):
    def make(self) -> Rule:
        return AdaptiveFeedbackAlignment()


class TestSignFeedbackAlignment(RuleTestCase):
    def make(self) -> Rule:
        return SignFeedbackAlignment()


class TestSignFeedbackAlignmentXavier(RuleTestCase):
    def make(self) -> Rule:
        return SignFeedbackAlignment("xavier")


class TestDirectFeedbackAlignment(RuleTestCase):
    def make(self) -> Rule:
        return DirectFeedbackAlignment()


class TestFixedRandomSignFeedback(RuleTestCase):
    def make(self) -> Rule:
        return FixedRandomSignFeedback()


def test_rule_name_cannot_be_taken_twice():
    with pytest.raises(InputError, match="'fa' is taken"):
        rule("fa")(GradientDescent)
    assert GradientDescent.name == "gd"


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf"), "xaver"])
def test_signfa_refuses_impossible_scale(scale):
    with pytest.raises(InputError, match="positive number or 'xavier'"):
        SignFeedbackAlignment(scale)

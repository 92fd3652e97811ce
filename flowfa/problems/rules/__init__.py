"""Learning rules, one file each; `RULES` finds them by name."""

from flowfa.problems.rules.adafa import AdaptiveFeedbackAlignment
from flowfa.problems.rules.base import RULES, FeedbackDraw, Rule, rule
from flowfa.problems.rules.brsf import BatchwiseRandomSignFeedback
from flowfa.problems.rules.dfa import DirectFeedbackAlignment
from flowfa.problems.rules.fa import FeedbackAlignment
from flowfa.problems.rules.frsf import FixedRandomSignFeedback
from flowfa.problems.rules.gd import GradientDescent
from flowfa.problems.rules.signfa import SignFeedbackAlignment

__all__ = [
    "RULES",
    "AdaptiveFeedbackAlignment",
    "BatchwiseRandomSignFeedback",
    "DirectFeedbackAlignment",
    "FeedbackAlignment",
    "FeedbackDraw",
    "FixedRandomSignFeedback",
    "GradientDescent",
    "Rule",
    "SignFeedbackAlignment",
    "rule",
]

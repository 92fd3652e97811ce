"""Learning rules, one file each; `RULES` finds them by name."""

from flowfa.problems.rules.adafa import AdaptiveFeedbackAlignment
from flowfa.problems.rules.base import (
    RULES,
    FeedbackDraw,
    Rule,
    check_velocity,
    configured_rule,
    drawn_for_each_layer,
    drawn_from_output,
    rule,
)
from flowfa.problems.rules.brsf import BatchwiseRandomSignFeedback
from flowfa.problems.rules.dfa import DirectFeedbackAlignment
from flowfa.problems.rules.drtp import DirectRandomTargetProjection
from flowfa.problems.rules.fa import FeedbackAlignment
from flowfa.problems.rules.form import FeedbackForm
from flowfa.problems.rules.frsf import FixedRandomSignFeedback
from flowfa.problems.rules.gd import GradientDescent
from flowfa.problems.rules.in_form import RuleInForm, form_of
from flowfa.problems.rules.kolen_pollack import KolenPollack
from flowfa.problems.rules.kolen_pollack_decay import KolenPollackWithDecay
from flowfa.problems.rules.low_rank_dfa import LowRankDirectFeedbackAlignment
from flowfa.problems.rules.low_rank_fa import LowRankFeedbackAlignment
from flowfa.problems.rules.moment import Moment
from flowfa.problems.rules.signfa import SignFeedbackAlignment
from flowfa.problems.rules.weight_mirror import WeightMirror

__all__ = [
    "RULES",
    "AdaptiveFeedbackAlignment",
    "BatchwiseRandomSignFeedback",
    "DirectFeedbackAlignment",
    "DirectRandomTargetProjection",
    "FeedbackAlignment",
    "FeedbackDraw",
    "FeedbackForm",
    "FixedRandomSignFeedback",
    "GradientDescent",
    "KolenPollack",
    "KolenPollackWithDecay",
    "LowRankDirectFeedbackAlignment",
    "LowRankFeedbackAlignment",
    "Moment",
    "Rule",
    "RuleInForm",
    "SignFeedbackAlignment",
    "WeightMirror",
    "check_velocity",
    "configured_rule",
    "drawn_for_each_layer",
    "drawn_from_output",
    "form_of",
    "rule",
]

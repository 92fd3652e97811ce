"""Losses of one sample: exponential, logistic, cross-entropy, squared (docs/theory)."""

from flowfa.problems.losses.base import LOSSES, Loss, check_labels, loss
from flowfa.problems.losses.cross_entropy import CrossEntropy
from flowfa.problems.losses.exponential import Exponential
from flowfa.problems.losses.logistic import Logistic
from flowfa.problems.losses.squared import Squared

__all__ = [
    "LOSSES",
    "CrossEntropy",
    "Exponential",
    "Logistic",
    "Loss",
    "Squared",
    "check_labels",
    "loss",
]

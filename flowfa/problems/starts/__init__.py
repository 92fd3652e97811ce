"""Initial weights and feedback: aligned (the default), random by a law, balanced, or given."""

from flowfa.problems.starts.aligned import AlignedStart
from flowfa.problems.starts.balanced import BalancedStart
from flowfa.problems.starts.base import STARTS, RandomStart, start
from flowfa.problems.starts.from_file import GivenStart, given_start, load_start
from flowfa.problems.starts.normal import NormalStart, XavierStart
from flowfa.problems.starts.parametrised import MeanFieldStart, NTKStart, ParametrisedStart

__all__ = [
    "STARTS",
    "AlignedStart",
    "BalancedStart",
    "GivenStart",
    "MeanFieldStart",
    "NTKStart",
    "NormalStart",
    "ParametrisedStart",
    "RandomStart",
    "XavierStart",
    "given_start",
    "load_start",
    "start",
]

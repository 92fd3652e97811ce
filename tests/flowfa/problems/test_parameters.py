"""What rules and losses say of their constructors, and what is constructed from it again."""

from __future__ import annotations

import numpy as np
import pytest

from flowfa.errors import InputError
from flowfa.problems.losses import LOSSES
from flowfa.problems.parameters import rebuilt, recorded
from flowfa.problems.rules import RULES, FeedbackAlignment, SignFeedbackAlignment


class Boosted(FeedbackAlignment):
    """Keeps its argument under another name."""

    def __init__(self, boost=2.0):
        self.factor = boost


class Honest(Boosted):
    def parameters(self):
        return {"boost": self.factor}


class Squaring(FeedbackAlignment):
    """Keeps something else than it was given under the same name."""

    def __init__(self, scale=3.0):
        self.scale = scale**2


class Counting(FeedbackAlignment):
    """Keeps more than it was given."""

    def __init__(self, rank=1):
        self.rank = rank
        self.calls = 0


class Anything(FeedbackAlignment):
    def __init__(self, **options):
        self.__dict__.update(options)


@pytest.mark.parametrize("name", RULES.names())
def test_every_rule_can_be_constructed_from_what_it_records(name):
    rule = RULES.get(name)()
    assert recorded(rebuilt(type(rule), recorded(rule), "a run")) == recorded(rule)


@pytest.mark.parametrize("name", LOSSES.names())
def test_every_loss_can_be_constructed_from_what_it_records(name):
    loss = LOSSES.get(name)()
    assert recorded(rebuilt(type(loss), recorded(loss), "a run")) == recorded(loss)


def test_parameters_are_the_attributes_that_the_constructor_takes():
    assert recorded(SignFeedbackAlignment("xavier")) == {"scale": "xavier"}
    assert recorded(Counting(rank=3)) == {"rank": 3}
    assert recorded(Anything(rank=3)) == {"rank": 3}
    assert rebuilt(Anything, {"rank": 3}, "a run").rank == 3


def test_argument_that_no_attribute_is_called_like_asks_for_the_method():
    with pytest.raises(InputError, match=r"Boosted takes 'boost'.*set self\.boost, or define para"):
        recorded(Boosted())


def test_method_of_the_rule_says_what_its_constructor_takes():
    assert recorded(Honest(5.0)) == {"boost": 5.0}
    assert rebuilt(Honest, {"boost": 5.0}, "a run").factor == 5.0


def test_attribute_that_is_not_what_was_given_is_noticed():
    with pytest.raises(InputError, match=r"Squaring .* run\.nc recorded of it, scale=9\.0"):
        rebuilt(Squaring, recorded(Squaring()), "run.nc")


def test_constructor_that_refuses_what_was_recorded_is_named_with_what_it_takes():
    with pytest.raises(InputError, match=r"Counting\(rank=1\) cannot .*run\.nc.* width=3 "):
        rebuilt(Counting, {"width": 3}, "run.nc")
    with pytest.raises(InputError, match=r"scale=-1 \(the scale of signfa is -1"):
        rebuilt(SignFeedbackAlignment, {"scale": -1}, "run.nc")


def test_parameter_that_no_file_can_hold_is_refused():
    with pytest.raises(InputError, match="Counting has parameters that no file can hold"):
        recorded(Counting(np.eye(2)))

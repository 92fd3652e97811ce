"""Every built-in rule passes the shared template."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import flowfa
from flowfa.errors import InputError
from flowfa.problems import build_ensemble
from flowfa.problems.rules import (
    AdaptiveFeedbackAlignment,
    DirectFeedbackAlignment,
    FeedbackAlignment,
    FixedRandomSignFeedback,
    GradientDescent,
    KolenPollack,
    LowRankFeedbackAlignment,
    Rule,
    SignFeedbackAlignment,
    rule,
)
from flowfa.testing import RuleTestCase
from tests.support.rules import Doubled


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


class TestKolenPollack(RuleTestCase):
    def make(self) -> Rule:
        return KolenPollack()


class TestLowRankFeedbackAlignment(RuleTestCase):
    def make(self) -> Rule:
        return LowRankFeedbackAlignment(rank=2)


class Lawless(Doubled):
    """A rule of which no law is known."""

    def conserved(self, layer, incoming, out_weight, kept):
        return None


class TestLawless(RuleTestCase):
    has_law = False

    def make(self):
        return Lawless()


class _Careless(RuleTestCase):
    """Nothing is said of a law that is not there."""

    def make(self):
        return Lawless()


class _Modest(RuleTestCase):
    """A law is kept from the template."""

    has_law = False

    def make(self):
        return Doubled()


@pytest.mark.parametrize(
    ("template", "test", "fault"),
    [
        (_Careless, "test_conserves_what_it_claims", "claims no law: state it"),
        (_Careless, "test_law_fails_without_the_bias", "claims no law: say"),
        (_Modest, "test_conserves_what_it_claims", "claims a law: leave out"),
    ],
)
def test_a_template_says_what_is_wrong_with_a_law(template, test, fault):
    with pytest.raises(AssertionError, match=fault):
        getattr(template(), test)()


def test_rule_name_cannot_be_taken_twice():
    with pytest.raises(InputError, match="'fa' is taken"):
        rule("fa")(GradientDescent)
    assert GradientDescent.name == "gd"


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf"), "xaver"])
def test_signfa_refuses_impossible_scale(scale):
    with pytest.raises(InputError, match="positive number or 'xavier'"):
        SignFeedbackAlignment(scale)


@pytest.mark.parametrize("rank", [0, -1, 1.5, True, "1"])
def test_low_rank_fa_refuses_an_impossible_rank(rank):
    with pytest.raises(InputError, match="whole number of at least 1"):
        LowRankFeedbackAlignment(rank)


def _problem(rule, widths=(6, 5)) -> flowfa.Problem:
    """Return a problem of four classes: all feedback matrices have at least four columns."""
    random = np.random.default_rng(1)
    data = flowfa.Dataset(random.standard_normal((8, 5)), np.arange(8) % 4)
    return flowfa.Problem(data, widths, leak=0.2, rule=rule, initial="xavier")


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_low_rank_fa_keeps_the_matrix_of_its_rank_that_is_closest_to_that_of_fa(rank):
    rules = ("fa", LowRankFeedbackAlignment(rank))
    full, low = build_ensemble(_problem(rules), 2, 0).feedback
    for name, matrices in full.items():
        for matrix, kept in zip(matrices, low[name], strict=True):
            values = np.linalg.svd(matrix, compute_uv=False)
            assert np.linalg.matrix_rank(kept) == rank
            # Eckart and Young: the distance is the norm of the singular values left out.
            distance = np.linalg.norm(matrix - kept)
            assert distance == pytest.approx(np.linalg.norm(values[rank:]), rel=1e-12)


def test_low_rank_fa_refuses_given_feedback_of_a_higher_rank():
    random = np.random.default_rng(0)
    data = flowfa.Dataset(random.standard_normal((5, 3)), random.standard_normal((5, 4)))
    arrays = {"W1": random.standard_normal((6, 3)), "W2": random.standard_normal((4, 6))}
    of_rank_2 = random.standard_normal((6, 2)) @ random.standard_normal((2, 4))
    start = flowfa.problems.starts.given_start({**arrays, "B2": of_rank_2})

    def built(rank):
        rule = LowRankFeedbackAlignment(rank)
        return build_ensemble(flowfa.Problem(data, rule=rule, initial=start), 1, 0)

    assert np.array_equal(built(2).feedback[0]["B2"][0], of_rank_2)
    with pytest.raises(InputError, match="B2 of the given start has rank 2 and low-rank-fa keeps"):
        built(1)


def test_low_rank_fa_of_full_rank_is_fa():
    full, low = build_ensemble(_problem(("fa", LowRankFeedbackAlignment(5))), 2, 0).feedback
    assert all(np.array_equal(full[name], low[name]) for name in full)


def test_kolen_pollack_follows_feedback_that_learns_as_the_weights_do():
    """Euler's steps of dB/dt = dW^T/dt, written out, beside steps of the rule."""
    problem = _problem("kolen-pollack")
    flow = flowfa.flow.network_flow.NetworkFlow(problem, build_ensemble(problem, 2, 0))
    field, rate = flow.field, 0.1
    state, state_of_rule = flow.initial, flow.initial
    weights = flow.layout.views(state)
    kept = field.groups[0].kept
    feedback = {n: weights[f"W{n}"].transpose(1, 2) + kept[f"B{n}"] for n in (2, 3)}
    for _ in range(20):
        state_of_rule = state_of_rule + rate * field(torch.zeros(2), state_of_rule)
        forward = field.forward(state)
        signal = field.output_signal(forward)
        update = field.descent(
            forward,
            signal,
            lambda layer, _, following, __: feedback[layer] @ following,  # noqa: B023
        )
        moved = flow.layout.views(update)
        feedback = {n: b + rate * moved[f"W{n}"].transpose(1, 2) for n, b in feedback.items()}
        state = state + rate * update
    assert (state - flow.initial).abs().max() > 0.1
    torch.testing.assert_close(state_of_rule, state, rtol=1e-11, atol=1e-13)

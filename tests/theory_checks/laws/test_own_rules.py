"""Rules of one's own: followed through their code, or counted by singular values, or refused."""

from __future__ import annotations

import pytest
import torch

import flowfa
from flowfa.errors import InputError
from tests.support.laws import HalfFA, WithFeedback, dynamics
from theory_checks.laws import laws


class PartFA(HalfFA):
    """Shares that binary fractions do not have."""

    def form(self, layer, shape, kept):
        return flowfa.FeedbackForm(weight_share=0.7, fixed=0.3 * kept[f"B{layer}"])


def test_decimal_shares_are_fractions():
    assert laws(dynamics(PartFA(), 2, 2, 2)).formulas == (
        "1/2 |W1[j,:]|^2 - 7/20 |W2[:,j]|^2 - 3/10 <W2[:,j], B2[j,:]> for every j of layer 1",
    )


@pytest.mark.parametrize(
    ("function", "formula"),
    [
        (lambda w, b: b, "- <W2[:,j], B2[j,:]>"),
        (lambda w, b: 3 * b - w.transpose(-1, -2), "+ 1/2 |W2[:,j]|^2 - 3 <W2[:,j], B2[j,:]>"),
        (lambda w, b: torch.sign(w).mT * 2 + b / 2, "- 1/2 <W2[:,j], B2[j,:]> - 2 |W2[:,j]|_1"),
        (lambda w, b: torch.mul(b.abs(), w.mT.sign()), None),
        (lambda w, b: torch.add(w.mT, torch.ones(2, 2).double()), "- 1/2 |W2[:,j]|^2"),
    ],
)
def test_algebraic_feedback_is_followed(function, formula):
    found = laws(dynamics(WithFeedback(function), 2, 2, 2))
    assert found.counted.exact
    assert found.count == 2
    if formula is not None:
        assert formula in found.formulas[0]


@pytest.mark.parametrize(
    ("function", "count"),
    [
        (lambda w, b: torch.tanh(w).mT, 2),
        (lambda w, b: w.mT.exp(), 2),
        (lambda w, b: w.mT.tanh() + w.sum((-1, -2), keepdim=True) / 10, 1),
        (lambda w, b: w.mT / w.square().sum((-1, -2), keepdim=True).sqrt(), 1),
        (lambda w, b: w.sin().mT @ (w @ b), 0),
    ],
)
def test_other_feedback_is_counted_by_singular_values(function, count):
    """tanh, entry by entry, has the potential log cosh; a sum over all neurons has none."""
    found = laws(dynamics(WithFeedback(function), 2, 2, 2))
    assert not found.counted.exact
    assert found.count == count
    assert "this is evidence, not proof" in repr(found)
    assert found.to_json_dict()["proof"] is False
    assert not found.complete


def test_singular_values_and_primes_count_the_same():
    from theory_checks.laws.counting.evidence import estimate_count
    from theory_checks.laws.counting.rank import count_laws

    for rule in ("gd", "fa", "signfa", HalfFA()):
        of = dynamics(rule, 2, 2, 2)
        exact, estimated = count_laws(of), estimate_count(of)
        assert estimated.rank_by_level == exact.rank_by_level
        assert estimated.gap is not None
        above, below = estimated.gap
        assert above > 1e-6
        assert below < 1e-40


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda w, b: w.mT + torch.randn(w.mT.shape), "draws noise"),
        (lambda w, b: w.mT.round(), "round, which is not differentiable"),
        (lambda w, b: torch.floor(w).mT, "floor, which is not differentiable"),
        (lambda w, b: torch.erf(w).mT, "uses erf, which laws cannot follow"),
    ],
)
def test_feedback_that_is_no_vector_field_is_refused(function, message):
    with pytest.raises(InputError, match=message) as caught:
        laws(dynamics(WithFeedback(function), 2, 2, 2))
    assert "\n" not in str(caught.value)


def test_too_many_singular_values_are_refused():
    with pytest.raises(InputError, match="at most 60; shrink"):
        laws(dynamics(WithFeedback(lambda w, b: w.mT.tanh()), 8, 8, 8))

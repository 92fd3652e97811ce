"""Rules of one's own: followed through their code, or counted by singular values, or refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import flowfa
from flowfa.errors import InputError
from tests.support.laws import HalfFA, WithFeedback, dynamics, one_entry_drifts
from theory_checks.laws import laws
from theory_checks.laws.arithmetic.floats import Floats, through_torch
from theory_checks.laws.arithmetic.jets import Jet


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


@pytest.mark.parametrize(
    ("function", "formula"),
    [
        (lambda w, b: abs(w).mT, "- 1/2 <W2[:,j], |W2[:,j]|>"),
        (lambda w, b: torch.relu(w).mT, "- 1/4 <W2[:,j], |W2[:,j]|> - 1/4 |W2[:,j]|^2"),
        (lambda w, b: w.clamp(min=0).mT, "- 1/4 <W2[:,j], |W2[:,j]|> - 1/4 |W2[:,j]|^2"),
        (
            lambda w, b: torch.where(w > 0, w, 0.2 * w).mT,
            "- 1/5 <W2[:,j], |W2[:,j]|> - 3/10 |W2[:,j]|^2",
        ),
        (lambda w, b: (w > 0).mT * b, "- 1/2 <|W2[:,j]|, B2[j,:]> - 1/2 <W2[:,j], B2[j,:]>"),
        (
            lambda w, b: b + 2 * (~(w >= 0)).double().mT,
            "- <W2[:,j], B2[j,:]> + |W2[:,j]|_1 - <W2[:,j], 1>",
        ),
        (lambda w, b: w.permute(0, 2, 1), "- 1/2 |W2[:,j]|^2"),
        (lambda w, b: w.transpose(1, 2), "- 1/2 |W2[:,j]|^2"),
        (lambda w, b: torch.einsum("boi->bio", w), "- 1/2 |W2[:,j]|^2"),
        (lambda w, b: torch.einsum("boi,bio->bio", w, b), "- 1/2 <W2[:,j]^2, B2[j,:]>"),
        (lambda w, b: w.detach().mT, "- 1/2 |W2[:,j]|^2"),
    ],
)
def test_signs_comparisons_and_einsum_are_followed(function, formula):
    found = laws(dynamics(WithFeedback(function), 2, 2, 2))
    assert (found.count, found.complete) == (2, True)
    assert formula in found.formulas[0]


def test_indexing_and_means_are_followed():
    """A neuron's feedback that hangs on other neurons' weights leaves no law."""
    for function in (
        lambda w, b: b * w[:, 0:1, 0:1],
        lambda w, b: b * w[..., :1, :1],
        lambda w, b: b * w.mean((-1, -2), keepdim=True),
        lambda w, b: b * w[:, 0, :1].unsqueeze(-1),
    ):
        found = laws(dynamics(WithFeedback(function), 2, 2, 2))
        assert (found.count, found.counted.exact) == (0, True)


def _in_place(w, b):
    feedback = w.mT.clone()
    feedback *= 2
    feedback.add_(b)
    feedback[:, 0, 0] = b[:, 0, 0]
    return feedback


@pytest.mark.parametrize(
    ("function", "count"),
    [
        (lambda w, b: torch.where(w > 0.5, w, 0.1 * w).mT, 2),
        (lambda w, b: torch.where(w == 0, b.mT, w).mT, 2),
        (lambda w, b: (w.mT > b) * b, 2),
        (lambda w, b: w.mT if w[0, 0, 0] > 9 else b, 2),
        (lambda w, b: w.clamp(-1, 1).mT, 2),
        (lambda w, b: torch.erf(w).mT, 2),
        (lambda w, b: torch.maximum(w.mT, b), 2),
        (lambda w, b: torch.nn.functional.leaky_relu(w).mT, 2),
        (_in_place, 2),
        (lambda w, b: torch.linalg.inv(w), 1),
        (lambda w, b: torch.linalg.solve(w, b), 0),
        (lambda w, b: b * torch.linalg.svdvals(w)[:, :1, None], 0),
        (lambda w, b: w.softmax(-1).mT, 1),
        (lambda w, b: w.mT if isinstance(w, torch.Tensor) else b, 2),
    ],
)
def test_what_no_other_arithmetic_follows_is_computed_by_torch(function, count):
    found = laws(dynamics(WithFeedback(function), 2, 2, 2))
    assert found.count == count
    assert (found.counted.digits, found.counted.exact, found.complete) == (16, False, False)
    assert "in 16 digits, seed 0: this is evidence, not proof" in repr(found)


def test_torch_counts_what_exact_arithmetic_counts():
    from theory_checks.laws.counting.evidence import estimate_count
    from theory_checks.laws.counting.rank import count_laws

    for function in (
        lambda w, b: b,
        lambda w, b: w.mT @ w @ w.mT,
        lambda w, b: w.mT**3,
        one_entry_drifts,
    ):
        of = dynamics(WithFeedback(function), 2, 3, 2, 2)
        assert estimate_count(of, opaque=True).rank_by_level == count_laws(of).rank_by_level


def test_derivatives_through_torch_are_those_of_exact_arithmetic():
    """Mixed second derivatives too, along two directions."""
    numbers, source = Floats(), np.random.default_rng(0)
    jet = Jet(source.normal(size=(4, 1, 2, 3)), numbers)
    found = through_torch(lambda w: w.mT @ w @ w.mT, [jet])
    turned = jet.mapped(lambda values: np.swapaxes(values, -1, -2))
    expected = turned.times_matrix(jet).times_matrix(turned)
    np.testing.assert_allclose(found.values, expected.values)


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
        (lambda w, b: b.mul_(2), "changes B2 in place"),
        (lambda w, b: w.mul_(2).mT, "changes W2 in place"),
        (lambda w, b: w.mean(0, keepdim=True).mT + b, "mixes trajectories"),
        (lambda w, b: None, r"is NoneType for 3 networks: expected a tensor of shape \(3, 2, 2\)"),
        (lambda w, b: w[0, 0], r"is \(2,\) for 3 networks|mixes trajectories"),
        (lambda w, b: (w / 0 - w / 0).mT, "is not finite at random weights"),
        (lambda w, b: w.no_such_thing, "fails with AttributeError: 'Tensor' object has no attr"),
        (lambda w, b: torch.heaviside(w, w).mT, "has no forward derivatives in torch"),
        (lambda w, b: w.erf().detach().mT, "has other derivatives in torch than its values"),
        (lambda w, b: torch.as_tensor(w.numpy()).mT, "has no forward derivatives in torch"),
        (lambda w, b: torch.nn.functional.dropout(w).mT, "draws noise"),
    ],
)
def test_feedback_that_is_no_vector_field_is_refused(function, message):
    with pytest.raises(InputError, match=message) as caught:
        laws(dynamics(WithFeedback(function), 2, 2, 2))
    assert "\n" not in str(caught.value)


def test_too_many_singular_values_are_refused():
    with pytest.raises(InputError, match="at most 60; shrink"):
        laws(dynamics(WithFeedback(lambda w, b: w.mT.tanh()), 8, 8, 8))

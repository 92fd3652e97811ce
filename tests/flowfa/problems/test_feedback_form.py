"""The common form of feedback: gradient of its potential, exact remainder, who is in form."""

from __future__ import annotations

import fractions

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flowfa.problems.rules import (
    RULES,
    FeedbackAlignment,
    FeedbackForm,
    GradientDescent,
    Rule,
    RuleInForm,
    form_of,
)

TRAJECTORIES, NEURONS, OUTPUTS = 2, 3, 4


def _form(share: float, fixed: bool, magnitudes: str, seed: int = 0) -> FeedbackForm:
    random = torch.Generator().manual_seed(seed)
    shape = (TRAJECTORIES, NEURONS, OUTPUTS)
    drawn = torch.randn(shape, generator=random, dtype=torch.float64)
    sizes = torch.rand(shape, generator=random, dtype=torch.float64)
    kinds = {"none": None, "number": 0.7, "matrix": sizes}
    return FeedbackForm(share, drawn if fixed else None, kinds[magnitudes])


forms = st.builds(
    _form,
    st.sampled_from((0.0, 1.0, 0.5, -0.25, 3.0)),
    st.booleans(),
    st.sampled_from(("none", "number", "matrix")),
    st.integers(0, 1000),
)


@given(form=forms, seed=st.integers(0, 1000))
def test_feedback_is_the_gradient_of_the_potential(form, seed):
    random = torch.Generator().manual_seed(seed)
    weight = torch.randn(TRAJECTORIES, OUTPUTS, NEURONS, generator=random, dtype=torch.float64)
    weight.requires_grad_()
    (gradient,) = torch.autograd.grad(form.potential(weight).sum() + 0.0 * weight.sum(), weight)
    torch.testing.assert_close(form.matrix(weight.detach()), gradient.transpose(1, 2))


def test_an_empty_form_feeds_nothing_back():
    weight = torch.ones(2, 4, 3, dtype=torch.float64)
    assert torch.equal(FeedbackForm().matrix(weight), torch.zeros(2, 3, 4, dtype=torch.float64))
    assert torch.equal(FeedbackForm().potential(weight), torch.zeros(2, 3, dtype=torch.float64))


numbers = st.floats(-2.0, 2.0, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-100)


@given(
    share=st.sampled_from((0.0, 1.0, 0.5, -0.25)),
    fixed=numbers,
    magnitude=numbers.map(abs),
    before=st.lists(numbers, min_size=3, max_size=3),
    change=st.lists(numbers, min_size=3, max_size=3),
    scale=st.sampled_from((1.0, 1e-8, 1e-30)),
)
def test_the_remainder_is_exact_however_short_the_step(
    share, fixed, magnitude, before, change, scale
):
    """Against exact fractions: g(v+) - g(v) - <b, v+ - v> cancels almost all digits."""
    v = np.array(before)
    # The change as stored, so that v+ is the rounded sum and the exact change its difference.
    after = v + scale * np.array(change)
    F = fractions.Fraction
    exact_change = [F(a) - F(b) for a, b in zip(after, v, strict=True)]
    moved = np.array([float(c) for c in exact_change])
    exact = F(0)
    size = 0.0
    for old, new, step in zip(map(F, v), map(F, after), exact_change, strict=True):
        sign = (old > 0) - (old < 0)
        b = F(share) * old + F(fixed) + F(magnitude) * sign

        def g(x: fractions.Fraction) -> fractions.Fraction:
            return F(share) * x * x / 2 + x * F(fixed) + F(magnitude) * abs(x)

        term = g(new) - g(old) - b * step
        exact, size = exact + term, size + abs(float(term))
        # A mixed form may have terms of both signs.
        size += abs(float(F(share) * step * step)) + abs(
            float(F(magnitude) * (abs(new) - sign * new))
        )
    column = [torch.tensor(x, dtype=torch.float64)[None, :, None] for x in (moved, v, after)]
    form = FeedbackForm(
        share,
        torch.full((1, 1, 3), fixed, dtype=torch.float64),
        torch.full((1, 1, 3), magnitude, dtype=torch.float64),
    )
    computed = float(form.remainder(*column))
    assert abs(computed - float(exact)) <= 16 * np.finfo(float).eps * size + 1e-290


def test_every_built_in_rule_with_a_flow_is_in_form():
    rules = [RULES.get(name) for name in RULES.names()]
    built_in = [cls() for cls in rules if cls.__module__.startswith("flowfa.problems.rules.")]
    outside = {rule.name for rule in built_in if not rule.in_form and not rule.moves}
    # Feedback that is drawn anew, and what carries the targets back.
    assert outside == {"brsf", "drtp"}


class _Doubled(FeedbackAlignment):
    def feedback(self, layer, weight, kept):
        return 2.0 * kept[f"B{layer}"]


class _DoubledForm(FeedbackAlignment):
    def form(self, layer, shape, kept):
        return FeedbackForm(fixed=2.0 * kept[f"B{layer}"])


def test_a_subclass_with_feedback_of_its_own_is_not_in_form():
    kept = {"B2": torch.ones(1, 3, 4)}
    assert not _Doubled().in_form
    assert form_of(_Doubled(), 2, (4, 3), kept) is None


def test_an_object_with_feedback_of_its_own_is_not_in_form():
    rule = GradientDescent()
    assert rule.in_form
    rule.feedback = lambda layer, weight, kept: 2.0 * weight.transpose(1, 2)
    assert not rule.in_form


def test_a_subclass_with_another_feedback_does_not_claim_the_law_of_its_parent():
    rule, kept = _Doubled(), {"B2": torch.ones(1, 3, 4, dtype=torch.float64)}
    weight = torch.ones(1, 4, 3, dtype=torch.float64)
    assert rule.conserved(1, torch.ones(1, 3, dtype=torch.float64), weight, kept) is None
    assert rule.conserved_formula == ""


def test_a_subclass_with_another_form_is_in_form_and_feeds_back_by_it():
    kept = {"B2": torch.ones(1, 3, 4)}
    rule = _DoubledForm()
    assert rule.in_form
    assert torch.equal(rule.feedback(2, torch.zeros(1, 4, 3), kept), 2.0 * kept["B2"])


def test_a_rule_without_form_is_not_in_form():
    class Plain(Rule):
        def draw_feedback(self, weights, draw):
            return {}

        def feedback(self, layer, weight, kept):
            return weight.transpose(1, 2)

        def conserved(self, layer, incoming, out_weight, kept):
            return None

    assert not Plain().in_form


def test_direct_feedback_has_a_form_in_the_last_layer_alone():
    rule = RULES.get("dfa")()
    assert isinstance(rule, RuleInForm)
    kept = {"D1": torch.ones(1, 5, 2), "D2": torch.ones(1, 4, 2)}
    assert form_of(rule, 2, (4, 5), kept) is None
    assert form_of(rule, 3, (2, 4), kept) is not None


@pytest.mark.parametrize("name", ["gd", "fa", "signfa", "kolen-pollack"])
def test_the_conserved_unit_is_that_of_the_table(name):
    """C-1: ||w_in||^2 - ||w_out||^2 for gd, 1/2 ||w_in||^2 - g for all others."""
    rule = RULES.get(name)()
    kept = {"B2": torch.zeros(1, 3, 4, dtype=torch.float64)}
    incoming = torch.tensor([[2.0, 4.0, 6.0]], dtype=torch.float64)
    law = rule.conserved(1, incoming, torch.zeros(1, 4, 3, dtype=torch.float64), kept)
    assert torch.equal(law, incoming if name == "gd" else 0.5 * incoming)

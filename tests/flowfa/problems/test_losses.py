"""Losses against torch's autograd, extended precision, and their own infimum."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch

import flowfa
from flowfa.datasets.dataset import Dataset
from flowfa.errors import InputError
from flowfa.problems.losses import LOSSES, Loss, check_labels
from flowfa.problems.losses.base import binary_targets
from flowfa.problems.losses.logistic import sigmoid, softplus
from flowfa.testing import LossTestCase
from flowfa.testing.losses import LABELS


def case(name, kind):
    loss = LOSSES.get(name)()
    target = torch.tensor(loss.encode(Dataset(np.ones((4, 2)), LABELS[kind])))
    generator = torch.Generator().manual_seed(1)
    output = torch.randn(3, *target.shape, dtype=torch.float64, generator=generator)
    return loss, target, 3.0 * output


class TestExponential(LossTestCase):
    def make(self):
        return LOSSES.get("exponential")()


class TestLogistic(LossTestCase):
    def make(self):
        return LOSSES.get("logistic")()


class TestCrossEntropy(LossTestCase):
    def make(self):
        return LOSSES.get("cross-entropy")()


class TestSquared(LossTestCase):
    def make(self):
        return LOSSES.get("squared")()


class Shifted(Loss):
    """Half the squared distance, with a claim that is wrong."""

    name = "shifted"
    label_kinds = ("binary",)
    infimum = 1.0

    def encode(self, data):
        return binary_targets(data)

    def value(self, output, target):
        return 0.5 * (output - target).square().sum(-2)

    def derivative(self, output, target):
        return 2.0 * (output - target)

    def correct(self, output, target):
        return None


@pytest.mark.parametrize(
    "test", ["derivative_is_that_of_autograd", "infimum_is_not_above_sampled_values"]
)
def test_the_template_finds_wrong_claims(test):
    class Case(LossTestCase):
        def make(self):
            return Shifted()

    with pytest.raises(AssertionError):
        getattr(Case(), f"test_{test}")()


def test_a_registered_loss_is_found_by_name_and_by_labels():
    data = Dataset(np.ones((4, 2)), LABELS["binary"])
    flowfa.loss("shifted")(Shifted)
    try:
        assert isinstance(flowfa.Problem(data, loss="shifted").loss, Shifted)
        with pytest.raises(InputError, match="the loss name 'shifted' is taken"):
            flowfa.loss("shifted")(type("Other", (Shifted,), {}))
    finally:
        LOSSES.forget("shifted")
    with pytest.raises(InputError, match="unknown loss 'shifted'"):
        flowfa.Problem(data, loss="shifted")


@pytest.mark.parametrize("margin", [-700.0, -30.0, -1e-3, 0.0, 0.5, 21.0, 40.0, 700.0])
def test_logistic_and_cross_entropy_keep_relative_precision(margin):
    """mpmath as the oracle: torch's softplus is 2e-9 off at 20, its log_softmax 0 at 40."""
    with mpmath.workdps(400):
        value = float(mpmath.log(1 + mpmath.exp(-mpmath.mpf(margin))))
        slope = float(1 / (1 + mpmath.exp(mpmath.mpf(margin))))
    logistic, entropy = LOSSES.get("logistic")(), LOSSES.get("cross-entropy")()
    f = torch.tensor([[[margin]]], dtype=torch.float64)
    assert logistic.value(f, torch.ones(1, 1)).item() == pytest.approx(value, rel=4e-16)
    assert logistic.derivative(f, torch.ones(1, 1)).item() == pytest.approx(-slope, rel=4e-16)
    two = torch.tensor([[[0.0], [margin]]], dtype=torch.float64)
    label = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    assert entropy.value(two, label).item() == pytest.approx(value, rel=4e-16)
    assert entropy.derivative(two, label)[0, 1, 0].item() == pytest.approx(-slope, rel=4e-16)


def test_cross_entropy_agrees_with_torch():
    loss, target, output = case("cross-entropy", "classes")
    expected = torch.nn.functional.cross_entropy(
        output, torch.tensor(LABELS["classes"]).long().expand(3, 4), reduction="none"
    )
    torch.testing.assert_close(loss.value(output, target), expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(
    ("name", "kind", "advice"),
    [
        ("exponential", "classes", '`loss="cross-entropy"` or `loss="squared"`'),
        ("logistic", "targets", 'use `loss="squared"`'),
        (
            "cross-entropy",
            "binary",
            '`loss="exponential"` or `loss="logistic"` or `loss="sq',
        ),
    ],
)
def test_labels_that_do_not_fit_are_refused_with_losses_that_do(name, kind, advice):
    with pytest.raises(InputError, match=advice):
        check_labels(LOSSES.get(name)(), Dataset(np.ones((4, 2)), LABELS[kind]))


def test_correct_samples_are_those_of_the_right_class():
    f = torch.tensor([[[2.0, -1.0, 0.0]], [[-3.0, -2.0, 5.0]]]).double()
    y = torch.tensor([[1.0, 1.0, -1.0]]).double()
    for name in ("exponential", "logistic", "squared"):
        right = LOSSES.get(name)().correct(f, y)
        assert right.tolist() == [[True, False, False], [False, False, False]]
    scores = torch.tensor([[[1.0, 0.0], [2.0, 0.0], [0.0, -1.0]]]).double()
    labels = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]).double()
    for name in ("cross-entropy", "squared"):
        # The second sample is a tie, which is not right.
        assert LOSSES.get(name)().correct(scores, labels).tolist() == [[True, False]]
    assert LOSSES.get("squared")().correct(f, 0.5 * y) is None


@pytest.mark.parametrize("x", [-2.0, 0.0, 2.0])
def test_automatic_derivative_of_softplus_is_the_sigmoid_also_at_zero(x):
    """Networks whose out-weights start at zero begin there."""
    at = torch.tensor([x], dtype=torch.float64, requires_grad=True)
    (derivative,) = torch.autograd.grad(softplus(at), at)
    torch.testing.assert_close(derivative, sigmoid(at).detach(), rtol=1e-15, atol=0.0)

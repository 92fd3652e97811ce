"""The test template of losses: subclass it, give `make`, and inherit the tests."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from flowfa.datasets.dataset import Dataset
from flowfa.problems.losses import LOSSES, Loss
from flowfa.seeds import generator

LABELS = {
    "binary": np.array([1.0, -1.0, 1.0, -1.0]),
    "classes": np.array([0.0, 2.0, 1.0, 1.0]),
    "targets": np.array([[0.3, -1.0], [2.0, 0.5], [1.0, 1.0], [0.0, -0.2]]),
}
"""Labels of four samples, of each kind."""


class LossTestCase(ABC):
    """What every loss must do, on labels of each kind that it accepts."""

    @abstractmethod
    def make(self) -> Loss:
        """Return the loss under test."""

    def cases(self) -> list[tuple[Dataset, Tensor, Tensor]]:
        """Return data, encoded targets and random outputs (trajectory, output, sample)."""
        cases = []
        for kind in self.make().label_kinds:
            data = Dataset(np.ones((4, 2)), LABELS[kind])
            target = torch.tensor(self.make().encode(data))
            noise = generator(5, "loss test").standard_normal((3, *target.shape))
            cases.append((data, target, 3.0 * torch.tensor(noise)))
        return cases

    def test_is_registered_under_its_name(self) -> None:
        """Problems and files find it."""
        loss = self.make()
        assert LOSSES.get(loss.name) is type(loss)

    def test_derivative_is_that_of_autograd(self) -> None:
        """delta_L = dl/df of each sample."""
        for _, target, output in self.cases():
            at = output.clone().requires_grad_()
            (expected,) = torch.autograd.grad(self.make().value(at, target).sum(), at)
            derivative = self.make().derivative(output, target)
            torch.testing.assert_close(derivative, expected, rtol=1e-12, atol=1e-12)

    def test_infimum_is_not_above_sampled_values(self) -> None:
        """T-1 measures the loss from its infimum."""
        for _, target, output in self.cases():
            for size in (1e-3, 1.0, 30.0):
                value = self.make().value(size * output, target)
                assert bool((value >= self.make().infimum).all())

    def test_infimum_is_approached_or_attained(self) -> None:
        """Descent by the derivative alone brings the loss near its infimum."""
        for _, target, output in self.cases():
            at = output[:1] * 0.0
            for _ in range(2000):
                at = at - 0.5 * self.make().derivative(at, target)
            reached = self.make().value(at, target) - self.make().infimum
            assert float(reached.max()) < 1e-2

    def test_shapes(self) -> None:
        """Encoded labels have outputs before samples; a loss has a value for each sample."""
        for data, target, output in self.cases():
            assert target.ndim == 2 and target.shape[1] == data.samples
            assert self.make().value(output, target).shape == (3, 4)
            assert self.make().derivative(output, target).shape == output.shape
            correct = self.make().correct(output, target)
            assert correct is None or (correct.shape == (3, 4) and correct.dtype == torch.bool)

    def test_labels_that_differ_by_trajectory_are_encoded_alike(self) -> None:
        """A leading trajectory dimension of the labels leads the targets too."""
        for data, target, _ in self.cases():
            stacked = Dataset(np.stack([data.X, data.X]), np.stack([data.y, data.y]))
            assert np.array_equal(self.make().encode(stacked), np.stack([target, target]))

    def test_batched_equals_loop(self) -> None:
        """A trajectory's loss does not depend on its companions, bit for bit."""
        for _, target, output in self.cases():
            for function in (self.make().value, self.make().derivative):
                alone = torch.cat([function(row, target) for row in output.split(1)])
                assert torch.equal(function(output, target), alone)

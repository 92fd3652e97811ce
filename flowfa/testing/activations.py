"""The test template of activations: subclass it, give `make`, and inherit the tests."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from flowfa.problems.activations import ACTIVATIONS, Activation
from flowfa.problems.activations.stored import describe_activation, stored_activation
from flowfa.seeds import generator


class ActivationTestCase(ABC):
    """What every activation must do: be the function, slope and degree that it says it is."""

    @abstractmethod
    def make(self) -> Activation:
        """Return the activation under test."""

    @staticmethod
    def preactivations() -> Tensor:
        """Return preactivations of both signs, large and small, none of them at a kink."""
        z = torch.tensor(generator(3, "activation test").standard_normal((3, 7)))
        return torch.cat([z, 10.0 * z, 1e-3 * z])

    def test_is_registered_under_its_name(self) -> None:
        """Problems and files find it."""
        activation = self.make()
        assert ACTIVATIONS.get(activation.name) is type(activation)

    def test_derivative_is_that_of_autograd(self) -> None:
        """The slope that rules take is the derivative too, unless the activation says otherwise."""
        activation, z = self.make(), self.preactivations().requires_grad_()
        (expected,) = torch.autograd.grad(activation.value(z).sum(), z)
        torch.testing.assert_close(activation.derivative(z), expected, rtol=1e-12, atol=1e-12)
        slope = activation.slope(z.detach())
        agrees = torch.allclose(slope, expected, rtol=1e-12, atol=1e-12)
        assert agrees or not activation.slope_is_derivative

    def test_degree_is_that_of_its_slope(self) -> None:
        """slope(z) z = p sigma(z), the property that C-1 and C-6 use, or it has no degree p."""
        activation, z = self.make(), self.preactivations()
        value, product = activation.value(z), activation.slope(z) * z
        if activation.degree is not None:
            assert activation.degree > 0.0
            torch.testing.assert_close(product, activation.degree * value, rtol=1e-12, atol=1e-14)
            return
        ratios = (product / value)[value.abs() > 1e-12]
        assert float(ratios.max() - ratios.min()) > 1e-3, "it is homogeneous: state its degree"

    def test_kinks_are_where_the_slope_jumps(self) -> None:
        """Solvers look for exact kinks at z = 0, and nowhere without them."""
        activation = self.make()
        assert (abs(activation.slope_jump()) > 1e-12) == (activation.kinks == "exact")

    def test_leak_is_that_of_a_leaky_relu(self) -> None:
        """The hybrid and the event solver know the function by its leak alone."""
        activation, z = self.make(), self.preactivations()
        if activation.piecewise_linear:
            assert activation.leak is not None and 0.0 <= activation.leak <= 1.0
            expected = torch.where(z > 0.0, z, activation.leak * z)
            assert torch.equal(activation.value(z), expected)

    def test_shortcuts_give_the_same_numbers(self) -> None:
        """`forward` and `through` are the value and the product with the slope, bit for bit."""
        activation, z = self.make(), self.preactivations()
        value, slope = activation.forward(z)
        assert torch.equal(value, activation.value(z))
        assert slope is None or torch.equal(slope, activation.slope(z))
        assert torch.equal(activation.through(z + 2.0, z), (z + 2.0) * activation.slope(z))

    def test_batched_equals_loop(self) -> None:
        """A number does not depend on those beside it, bit for bit."""
        activation, z = self.make(), self.preactivations()
        for function in (activation.value, activation.slope, activation.derivative):
            together = function(z).flatten()
            alone = torch.cat([function(element) for element in z.flatten().split(1)])
            assert torch.equal(together, alone)

    def test_arguments_are_left_as_they_are(self) -> None:
        """Preactivations are used again after the activation was evaluated."""
        activation, z = self.make(), self.preactivations()
        for function in (activation.value, activation.slope, activation.derivative):
            function(z)
        activation.forward(z)
        activation.through(z, z)
        assert torch.equal(z, self.preactivations())

    def test_autograd_differentiates_it(self) -> None:
        """Checks take rates along the flow by two backward passes."""
        activation, z = self.make(), self.preactivations()
        _, tangent = torch.autograd.functional.jvp(activation.value, z, torch.ones_like(z))
        torch.testing.assert_close(tangent, activation.derivative(z), rtol=1e-12, atol=1e-12)

    def test_a_file_makes_it_anew(self) -> None:
        """The stored configuration determines the activation."""
        activation, z = self.make(), self.preactivations()
        restored = stored_activation(describe_activation(activation))
        assert type(restored) is type(activation)
        assert torch.equal(restored.value(z), activation.value(z))

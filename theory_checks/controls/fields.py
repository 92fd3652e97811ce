"""Fields that are almost, but not quite, the training flow of a (leaky) ReLU network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from flowfa.flow.base import Field
from flowfa.flow.field import NetworkField

Activation = Callable[[Tensor], Tensor]
"""From preactivations to activations, (trajectory, neuron, sample)."""


class WeightDecay:
    """The flow with -rate * theta added, as weight decay does.

    Parameters
    ----------
    field : Field
    rate : float
    """

    def __init__(self, field: Field, rate: float) -> None:
        self.field = field
        self.rate = rate

    def __call__(self, time: Tensor, state: Tensor) -> Tensor:
        """Return the velocity, (trajectory, parameter)."""
        return self.field(time, state) - self.rate * state

    def select(self, rows: Tensor) -> WeightDecay:
        """Return the field of some rows."""
        return WeightDecay(self.field.select(rows), self.rate)

    def switching(self, state: Tensor) -> Tensor | None:
        """Return the preactivations."""
        return self.field.switching(state)

    def surface_name(self, surface: int) -> str:
        """Return the name of a preactivation."""
        return self.field.surface_name(surface)


class FrozenBiases:
    """The flow with biases that stay where they are, as if they were no parameters."""

    def __init__(self, field: NetworkField) -> None:
        self.field = field

    def __call__(self, time: Tensor, state: Tensor) -> Tensor:
        """Return the velocity, (trajectory, parameter)."""
        velocity = self.field(time, state)
        for name, update in self.field.layout.views(velocity).items():
            if name.startswith("c"):
                update.zero_()
        return velocity

    def select(self, rows: Tensor) -> FrozenBiases:
        """Return the field of some rows."""
        return FrozenBiases(self.field.select(rows))

    def switching(self, state: Tensor) -> Tensor | None:
        """Return the preactivations."""
        return self.field.switching(state)

    def surface_name(self, surface: int) -> str:
        """Return the name of a preactivation."""
        return self.field.surface_name(surface)


class FrozenFeedback:
    """The flow with feedback that stays where it is, though its rule says that it moves."""

    def __init__(self, field: NetworkField) -> None:
        self.field = field

    def __call__(self, time: Tensor, state: Tensor) -> Tensor:
        """Return the velocity, (trajectory, parameter)."""
        velocity = self.field(time, state)
        velocity[:, self.field.layout.network_length :] = 0.0
        return velocity

    def select(self, rows: Tensor) -> FrozenFeedback:
        """Return the field of some rows."""
        return FrozenFeedback(self.field.select(rows))

    def switching(self, state: Tensor) -> Tensor | None:
        """Return the preactivations."""
        return self.field.switching(state)

    def surface_name(self, surface: int) -> str:
        """Return the name of a preactivation."""
        return self.field.surface_name(surface)


class DriftingFeedback:
    """The flow whose kept matrices grow as 1 + rate * t.

    Parameters
    ----------
    field : NetworkField
        A field whose rules keep matrices.
    rate : float
    """

    def __init__(self, field: NetworkField, rate: float) -> None:
        self.field = field
        self.rate = rate

    def __call__(self, time: Tensor, state: Tensor) -> Tensor:
        """Return the velocity, (trajectory, parameter)."""
        growth = (1.0 + self.rate * time)[:, None, None]
        groups = tuple(
            replace(
                group,
                kept={
                    name: matrix * growth[group.start : group.stop]
                    for name, matrix in group.kept.items()
                },
            )
            for group in self.field.groups
        )
        return self.field.replace(groups=groups)(time, state)

    def select(self, rows: Tensor) -> DriftingFeedback:
        """Return the field of some rows."""
        return DriftingFeedback(self.field.select(rows), self.rate)

    def switching(self, state: Tensor) -> Tensor | None:
        """Return the preactivations."""
        return self.field.switching(state)

    def surface_name(self, surface: int) -> str:
        """Return the name of a preactivation."""
        return self.field.surface_name(surface)


class AgainstFeedback:
    """The flow with a drift of the output layer away from its feedback, -rate * B_L^T.

    Parameters
    ----------
    field : NetworkField
    rate : float
    """

    def __init__(self, field: NetworkField, rate: float) -> None:
        self.field = field
        self.rate = rate

    def __call__(self, time: Tensor, state: Tensor) -> Tensor:
        """Return the velocity, (trajectory, parameter)."""
        velocity, last = self.field(time, state), self.field.layout.layers
        parameters = self.field.layout.views(state)
        weight = parameters[f"W{last}"]
        update = self.field.layout.views(velocity)[f"W{last}"]
        for group in self.field.groups:
            rows = slice(group.start, group.stop)
            matrix = group.rule.feedback(last, weight[rows], group.kept_at(parameters))
            update[rows] -= self.rate * matrix.transpose(-1, -2)
        return velocity

    def select(self, rows: Tensor) -> AgainstFeedback:
        """Return the field of some rows."""
        return AgainstFeedback(self.field.select(rows), self.rate)

    def switching(self, state: Tensor) -> Tensor | None:
        """Return the preactivations."""
        return self.field.switching(state)

    def surface_name(self, surface: int) -> str:
        """Return the name of a preactivation."""
        return self.field.surface_name(surface)


class Slowed:
    """The flow at a share of its speed, as if the clock were wrong.

    Parameters
    ----------
    field : Field
    share : float
    """

    def __init__(self, field: Field, share: float) -> None:
        self.field = field
        self.share = share

    def __call__(self, time: Tensor, state: Tensor) -> Tensor:
        """Return the velocity, (trajectory, parameter)."""
        return self.share * self.field(time, state)

    def select(self, rows: Tensor) -> Slowed:
        """Return the field of some rows."""
        return Slowed(self.field.select(rows), self.share)

    def switching(self, state: Tensor) -> Tensor | None:
        """Return the preactivations."""
        return self.field.switching(state)

    def surface_name(self, surface: int) -> str:
        """Return the name of a preactivation."""
        return self.field.surface_name(surface)


class GradientOf:
    """Gradient descent, by autograd, on a network with any activation.

    Parameters
    ----------
    field : NetworkField
        Data, layout and loss.
    activation : callable
    """

    def __init__(self, field: NetworkField, activation: Activation) -> None:
        self.field = field
        self.activation = activation

    def __call__(self, time: Tensor, state: Tensor) -> Tensor:
        """Return minus the gradient of the loss, (trajectory, parameter)."""
        with torch.enable_grad():
            at = state.detach().requires_grad_()
            loss = self.field.loss.value(self._output(at), self.field.targets).mean(1)
            # Trajectories do not mix, so that the gradient of the sum has the gradient of each.
            (gradient,) = torch.autograd.grad(loss.sum(), at)
        return -gradient

    def _output(self, state: Tensor) -> Tensor:
        parameters = self.field.layout.views(state)
        inputs = self.field.inputs.transpose(-1, -2)
        signal = inputs if inputs.ndim == 3 else inputs.expand(len(state), *inputs.shape)
        last = self.field.layout.layers
        for layer in range(1, last + 1):
            signal = parameters[f"W{layer}"] @ signal
            bias = parameters.get(f"c{layer}")
            signal = signal if bias is None else signal + bias[:, :, None]
            signal = self.activation(signal) if layer < last else signal
        return signal

    def select(self, rows: Tensor) -> GradientOf:
        """Return the field of some rows."""
        return GradientOf(self.field.select(rows), self.activation)

    def switching(self, state: Tensor) -> Tensor | None:
        """Return None: a smooth flow has no kinks to look for."""
        return None

    def surface_name(self, surface: int) -> str:
        """Never called: no surfaces are named."""
        raise IndexError(surface)


def batch_normalised(preactivation: Tensor) -> Tensor:
    """Return preactivations with mean 0 and variance 1 over the samples; smooth, as no kink is."""
    centred = preactivation - preactivation.mean(-1, keepdim=True)
    spread = (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return centred / spread


def opposed(field: NetworkField) -> NetworkField:
    """Return a field whose kept matrices have the other sign."""
    groups = tuple(
        replace(group, kept={name: -matrix for name, matrix in group.kept.items()})
        for group in field.groups
    )
    return field.replace(groups=groups)

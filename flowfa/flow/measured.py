"""What an observable measures: networks at some states, passed forward and backward once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from flowfa.flow.field import ForwardPass, NetworkField
from flowfa.flow.sliding import with_sliding_slopes
from flowfa.flow.span import InputSpan


@dataclass(frozen=True, eq=False)
class Origin:
    """Where measured networks come from.

    Attributes
    ----------
    start : Tensor
        Their states at time 0, (row, parameter).
    span : InputSpan or None
        The reduction of W_1 to the span of the data; None where only the start is known.
    trajectories : Tensor or None
        Which trajectory of the span each row is, (row,).
    """

    start: Tensor
    span: InputSpan | None = None
    trajectories: Tensor | None = None


@dataclass(frozen=True, eq=False)
class MeasuredState:
    """Networks at given states, one for each row.

    Attributes
    ----------
    field : NetworkField
        With one row for each row of `state`; it has ``targets``, ``loss``, ``activation`` and
        the rules.
    state : Tensor
        (row, parameter).
    outside_norm2 : Tensor
        Squared norm of each row of W_1 outside the span of the data, (row, n_1): what
        ``parameters["W1"]``, which is in coordinates of the span, does not have.
    origin : Origin or None
        Where the networks come from, where that is known.
    """

    field: NetworkField
    state: Tensor
    outside_norm2: Tensor
    origin: Origin | None = None

    @property
    def parameters(self) -> dict[str, Tensor]:
        """W_l and c_l by name, (row, ...), and the feedback that moves."""
        return self.forward.parameters

    @property
    def output(self) -> Tensor:
        """f, (row, output, sample)."""
        return self.forward.output

    @cached_property
    def forward(self) -> ForwardPass:
        """The forward pass, with the slopes of sliding samples."""
        forward = self.field.forward(self.state)
        return with_sliding_slopes(self.field, forward, self.field.output_signal(forward))

    @cached_property
    def output_signal(self) -> Tensor:
        """-delta_L / n, (row, output, sample)."""
        return self.field.output_signal(self.forward)

    @cached_property
    def update(self) -> Tensor:
        """-G, by which the data move the network, (row, parameter of the network)."""
        return self.field.descent(self.forward, self.output_signal, self.field.rule_signal)

    @cached_property
    def velocity(self) -> Tensor:
        """The velocity of the whole state, (row, parameter), with the feedback that moves."""
        return self.field.with_feedback(self.forward, self.update)

    @cached_property
    def steepest(self) -> Tensor:
        """-grad Loss, (row, parameter of the network)."""
        return self.field.steepest(self.forward, self.output_signal)

    @cached_property
    def weight_norm2(self) -> Tensor:
        """||W_l||_F^2 by layer, (row, layer), with the part of W_1 outside the span."""
        return weight_norm2(self.field, self.forward, self.outside_norm2)


def weight_norm2(field: NetworkField, forward: ForwardPass, outside_norm2: Tensor) -> Tensor:
    """Return ||W_l||_F^2 by layer, (row, layer)."""
    squares = [
        forward.parameters[f"W{layer}"].square().sum((1, 2))
        for layer in range(1, field.layout.layers + 1)
    ]
    squares[0] = squares[0] + outside_norm2.sum(1)
    return torch.stack(squares, dim=1)

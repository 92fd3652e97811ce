"""Networks of some trajectories at some times, on which statements are measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from flowfa.flow.field import NetworkField
from flowfa.flow.measured import MeasuredState
from flowfa.flow.observables import conserved, descent_product, observe


@dataclass(frozen=True)
class Networks:
    """One network a row: a trajectory at a time.

    Attributes
    ----------
    field : NetworkField
        The flow as the run describes it, with one row for each row of `state`; its groups say
        which rows follow which rule, and hold the feedback.
    state : Tensor
        (row, parameter).
    outside_norm2 : Tensor
        Squared norm of each row of W_1 outside the span of the data, which never moves and is not
        in `state`, (row, n_1).
    time : Tensor
        (row,).
    start : Tensor or None
        The states at time 0, (row, parameter), where something is measured from there.
    """

    field: NetworkField
    state: Tensor
    outside_norm2: Tensor
    time: Tensor
    start: Tensor | None = None

    @property
    def parameters(self) -> dict[str, Tensor]:
        """W_l and c_l by name, each (row, ...); W_1 in coordinates of the span of the data."""
        return self.field.layout.views(self.state)

    def observe(self) -> dict[str, Tensor]:
        """Return what flowfa records of networks; see `flowfa.flow.observables.observe`."""
        return observe(self.field, self.state, self.outside_norm2)

    def descent_product(self) -> Tensor:
        """Return <grad Loss, G> alone of what `observe` has, (row,)."""
        return descent_product(MeasuredState(self.field, self.state, self.outside_norm2))

    def conserved(self) -> Tensor:
        """Return what `observe` has of C-1's quantity, (row, hidden neuron)."""
        return conserved(self.field, self.field.forward(self.state), self.outside_norm2)

    def width(self, layer: int) -> int:
        """Return n_l."""
        return self.field.layout.sizes[layer]

    def incoming(self, layer: int) -> Tensor:
        """Return ||W_l[j,:]||^2 of each neuron, without the bias, (row, n_l)."""
        norm2 = self.parameters[f"W{layer}"].square().sum(-1)
        return norm2 + self.outside_norm2 if layer == 1 else norm2


Quantity = Callable[[Networks], Tensor]
"""A function of the networks, (row, item), differentiable by torch.func.jvp."""

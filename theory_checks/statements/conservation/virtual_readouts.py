"""The virtual readouts of direct feedback, integrated along with the networks (C-1).

Earlier layers under dfa conserve nothing of the weights. With A_l, dA_l/dt = -E[delta_L h_l^T],
they conserve 1/2 ||w_in||^2 - <A_l[:,j], D_l[j,:]>.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flowfa.flow.base import Field
from flowfa.flow.field import NetworkField
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.networks import Networks
from theory_checks.statements.conservation.laws import degree_of, rate_of, squares


class WithReadouts:
    """A field with A_1, ..., A_{L-2} behind the parameters of the state.

    Parameters
    ----------
    motion : Field
        Moves the parameters.
    claimed : NetworkField
        Says what delta_L and h_l are.
    """

    def __init__(self, motion: Field, claimed: NetworkField) -> None:
        self.motion = motion
        self.claimed = claimed

    def __call__(self, time: Tensor, state: Tensor) -> Tensor:
        """Return the velocity, (trajectory, parameter)."""
        networks = state[:, : self.claimed.layout.length]
        forward = self.claimed.forward(networks)
        signal = self.claimed.output_signal(forward)
        readouts = [
            torch.bmm(signal, activation.transpose(1, 2)).flatten(1)
            for activation in forward.activations[:-1]
        ]
        return torch.cat([self.motion(time, networks), *readouts], 1)

    def select(self, rows: Tensor) -> WithReadouts:
        """Return the field of some rows."""
        return WithReadouts(self.motion.select(rows), self.claimed.select(rows))

    def switching(self, state: Tensor) -> Tensor | None:
        """Return the preactivations."""
        return self.motion.switching(state[:, : self.claimed.layout.length])

    def surface_name(self, surface: int) -> str:
        """Return the name of a preactivation."""
        return self.motion.surface_name(surface)


def with_readouts(evidence: Evidence) -> Evidence:
    """Return evidence whose states have the readouts, zero at the start."""
    flow = evidence.flow
    sizes = flow.layout.sizes
    added = sum(sizes[1:-2]) * sizes[-1]
    start = torch.cat([evidence.initial, evidence.initial.new_zeros(len(flow), added)], 1)
    return evidence.moved_by(WithReadouts(evidence.motion, flow.field), start)


def readout_law(networks: Networks) -> Tensor:
    """Return 1/2 ||w_in||^2 - p <A_l[:,j], D_l[j,:]> of neurons before the last hidden layer.

    (row, neuron); NaN for rules other than dfa.
    """
    sizes = networks.field.layout.sizes
    start = networks.field.layout.length
    columns = []
    for layer in range(1, len(sizes) - 2):
        after = start + sizes[-1] * sizes[layer]
        readout = networks.state[:, start:after].unflatten(1, (sizes[-1], sizes[layer]))
        start = after
        parts = []
        for group in networks.field.groups:
            rows = slice(group.start, group.stop)
            half = 0.5 * squares(networks, layer)[rows] / rate_of(networks, layer)
            if group.rule.name == "dfa":
                product = readout[rows].transpose(1, 2) * group.kept[f"D{layer}"]
                parts.append(half - degree_of(networks) * product.sum(2))
            else:
                parts.append(half * torch.nan)
        columns.append(torch.cat(parts))
    return torch.cat(columns, 1)


def earlier_in_norms(networks: Networks) -> Tensor:
    """Return 1/2 (||w_in||^2 + c^2) of neurons before the last hidden layer, (row, neuron)."""
    layers = range(1, networks.field.layout.layers - 1)
    parts = [0.5 * squares(networks, layer) / rate_of(networks, layer) for layer in layers]
    return torch.cat(parts, 1)

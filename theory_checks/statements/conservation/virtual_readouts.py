"""What is integrated along with the networks where the weights alone have no law (C-1).

Under direct feedback (dfa) earlier layers conserve nothing of the weights. With a virtual readout
A_l, dA_l/dt = -E[delta_L h_l^T], they conserve 1/2 ||w_in||^2 - <A_l[:,j], D_l[j,:]>. So do all
hidden layers under drtp, with the targets in the place of -delta_L.

Feedback b that moves adds -<r, db/dt> to the rate of 1/2 ||w_in||^2 - <r, b>, r being the
out-weights or the virtual readout. So 1/2 ||w_in||^2 - <r, b> + Q is conserved, dQ/dt = <r, db/dt>.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flowfa.flow.base import Field
from flowfa.flow.field import ForwardPass, NetworkField, RuleGroup
from theory_checks.controls.pieces import feedback_velocity
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.networks import Networks
from theory_checks.statements.conservation.laws import degree_of, squares


class WithReadouts:
    """A field with A_1, ..., A_{L-1} and Q_1, ..., Q_{L-1} behind the states.

    Parameters
    ----------
    motion : Field
        Moves the states.
    claimed : NetworkField
        Says what delta_L, h_l and the feedback are.
    """

    def __init__(self, motion: Field, claimed: NetworkField) -> None:
        self.motion = motion
        self.claimed = claimed

    def __call__(self, time: Tensor, state: Tensor) -> Tensor:
        """Return the velocity, (trajectory, parameter)."""
        claimed = self.claimed
        networks = state[:, : claimed.layout.length]
        forward = claimed.forward(networks)
        signal = claimed.output_signal(forward)
        virtual = signal.clone()
        for group in claimed.groups:
            if group.rule.feedback_from == "targets":
                rows = slice(group.start, group.stop)
                targets = claimed.targets if claimed.targets.ndim == 2 else claimed.targets[rows]
                virtual[rows] = targets / claimed.samples
        readouts = [torch.bmm(virtual, h.transpose(1, 2)).flatten(1) for h in forward.activations]
        shifts = self._shifts(forward, claimed.descent(forward, signal, claimed.rule_signal), state)
        return torch.cat([self.motion(time, networks), *readouts, *shifts], 1)

    def _shifts(self, forward: ForwardPass, descent: Tensor, state: Tensor) -> list[Tensor]:
        """Return dQ_l/dt of each hidden layer, (trajectory, n_l); 0 where nothing moves."""
        field = self.claimed
        updates = field.layout.views(descent)
        columns = []
        for layer in range(1, field.layout.layers):
            column = state.new_zeros(len(state), field.layout.sizes[layer])
            for group in field.groups:
                if not group.moving:
                    continue
                rows = slice(group.start, group.stop)
                rate = _feedback_rate(field, group, forward, updates, layer)
                readout = _readout(field, group, forward.parameters, state, layer)
                column[rows] = (readout.transpose(1, 2) * rate).sum(2)
            columns.append(column)
        return columns

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
    """Return evidence whose states have A and Q, zero at the start."""
    flow = evidence.flow
    sizes = flow.layout.sizes
    added = sum(sizes[1:-1]) * (sizes[-1] + 1)
    start = torch.cat([evidence.initial, evidence.initial.new_zeros(len(flow), added)], 1)
    return evidence.moved_by(WithReadouts(evidence.motion, flow.field), start)


def spoken_of(evidence: Evidence) -> Tensor:
    """Return which neurons have a law only with A or Q, (trajectory, hidden neuron) bool."""
    layout = evidence.flow.layout
    result = []
    for layer in range(1, layout.layers):
        column = torch.zeros(len(evidence), layout.sizes[layer], dtype=torch.bool)
        for group in evidence.field.groups:
            source = group.rule.feedback_from
            earlier = source == "output" and layer < layout.layers - 1
            # Direct feedback is one matrix from the output, whatever else a rule may return.
            column[group.start : group.stop] = earlier or source == "targets" or bool(group.moving)
        result.append(column)
    return torch.cat(result, 1)


def readout_law(networks: Networks) -> Tensor:
    """Return 1/2 ||w_in||^2 - p <r, b> + p Q of each hidden neuron, (row, hidden neuron)."""
    field = networks.field
    columns = []
    for layer in range(1, field.layout.layers):
        parts = []
        for group in field.groups:
            rows = slice(group.start, group.stop)
            readout = _readout(field, group, networks.parameters, networks.state, layer)
            weight = networks.parameters[f"W{layer + 1}"][rows]
            kept = group.kept_at(networks.parameters)
            feedback = group.rule.feedback(layer + 1, weight, kept)
            product = (readout.transpose(1, 2) * feedback).sum(2)
            shift = networks.state[rows, slice(*_place_of_shift(field, layer))]
            half = 0.5 * squares(networks, layer)[rows]
            parts.append(half - degree_of(networks) * (product - shift))
        columns.append(torch.cat(parts))
    return torch.cat(columns, 1)


def _readout(
    field: NetworkField, group: RuleGroup, parameters: dict[str, Tensor], state: Tensor, layer: int
) -> Tensor:
    """Return what the feedback into a layer is paired with: W_{l+1}, or A_l, of a group's rows."""
    rows, sizes = slice(group.start, group.stop), field.layout.sizes
    source = group.rule.feedback_from
    last = layer == field.layout.layers - 1
    if source == "next layer" or (source == "output" and last):
        return parameters[f"W{layer + 1}"][rows]
    start = field.layout.length + sum(sizes[1:layer]) * sizes[-1]
    shape = (sizes[-1], sizes[layer])
    return state[rows, start : start + sizes[-1] * sizes[layer]].unflatten(1, shape)


def _place_of_shift(field: NetworkField, layer: int) -> tuple[int, int]:
    sizes = field.layout.sizes
    start = field.layout.length + sum(sizes[1:-1]) * sizes[-1] + sum(sizes[1:layer])
    return start, start + sizes[layer]


def _feedback_rate(
    field: NetworkField,
    group: RuleGroup,
    forward: ForwardPass,
    updates: dict[str, Tensor],
    layer: int,
) -> Tensor:
    """Return the rate at which the feedback into a layer moves, of a group's rows."""
    rows = slice(group.start, group.stop)
    kept = dict(group.kept_at(forward.parameters))
    velocities = feedback_velocity(field, group, forward, updates)
    names = [*group.moving]

    def feedback(weight: Tensor, *matrices: Tensor) -> Tensor:
        here = {**kept, **dict(zip(names, matrices, strict=True))}
        return group.rule.feedback(layer + 1, weight, here)

    weight = forward.parameters[f"W{layer + 1}"][rows]
    given = (weight, *(kept[name] for name in names))
    along = (updates[f"W{layer + 1}"][rows], *(velocities[name] for name in names))
    _, rate = torch.autograd.functional.jvp(feedback, given, along)
    assert isinstance(rate, Tensor)
    return rate

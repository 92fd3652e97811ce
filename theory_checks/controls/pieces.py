"""A training flow written out in pieces, each of which can be replaced by a wrong one.

Written apart from `flowfa.flow.field`, of which it uses the forward pass alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from flowfa.flow.field import ForwardPass, NetworkField, RuleGroup
from flowfa.problems.rules import (
    KolenPollackWithDecay,
    Moment,
    SignFeedbackAlignment,
    WeightMirror,
    form_of,
)


def error(field: NetworkField, forward: ForwardPass) -> Tensor:
    """Return -delta_L / n, (trajectory, n_L, sample)."""
    return field.loss.derivative(forward.output, field.targets) / -field.samples


def matrix(layer: int, weight: Tensor, group: RuleGroup, time: Tensor) -> Tensor:
    """Return what carries the signal from layer `layer` back, (trajectory, n_{l-1}, n_l)."""
    name = group.rule.name
    if name == "gd":
        return weight.transpose(1, 2)
    if name in ("fa", "adafa"):
        return group.kept[f"B{layer}"]
    if name == "signfa":
        assert isinstance(group.rule, SignFeedbackAlignment)
        s = group.rule.scale
        s = math.sqrt(2.0 / (weight.shape[1] + weight.shape[2])) if s == "xavier" else s
        return s * weight.sign().transpose(1, 2)
    if name == "frsf":
        return group.kept[f"M{layer}"] * weight.sign().transpose(1, 2)
    if name in ("dfa", "low-rank-dfa", "drtp"):
        return group.kept[f"D{layer - 1}"]
    if name in ("kolen-pollack-decay", "weight-mirror"):
        return group.kept[f"B{layer}"]
    form = form_of(group.rule, layer, (weight.shape[1], weight.shape[2]), group.kept)
    if form is None:
        return group.rule.feedback(layer, weight, group.kept)
    carried = form.weight_share * weight
    if form.fixed is not None:
        carried = carried + form.fixed.transpose(1, 2)
    if isinstance(form.magnitudes, Tensor):
        carried = carried + form.magnitudes.transpose(1, 2) * weight.sign()
    elif form.magnitudes is not None:
        carried = carried + form.magnitudes * weight.sign()
    return carried.transpose(1, 2)


def source(group: RuleGroup, following: Tensor, output: Tensor) -> Tensor:
    """Return the signal that the matrix is applied to: of the next layer, or of the output.

    Under drtp `output` holds the targets.
    """
    return following if group.rule.feedback_from == "next layer" else output


def slope(layer: int, forward: ForwardPass, leak: float) -> Tensor:
    """Return sigma'(z) of hidden layer `layer`, (trajectory, n_l, sample)."""
    z = forward.preactivations[layer - 1]
    return torch.where(z > 0.0, torch.ones_like(z), leak * torch.ones_like(z))


def earlier(layer: int, forward: ForwardPass) -> Tensor:
    """Return h_l of hidden layer `layer`, (trajectory, n_l, sample)."""
    return forward.activations[layer - 1]


def weight_update(layer: int, last: int, signal: Tensor, raw: Tensor | None, h: Tensor) -> Tensor:
    """Return -G_l from the signal -delta_l / n and h_{l-1}.

    Parameters
    ----------
    layer, last : int
        l and L.
    signal : Tensor
        (trajectory, n_l, sample).
    raw : Tensor or None
        The signal that the layer sends back, before the slope, (trajectory, n_{l-1}, sample).
    h : Tensor
        (trajectory, n_{l-1}, sample).
    """
    return signal @ h.transpose(1, 2)


def bias_update(layer: int, signal: Tensor) -> Tensor:
    """Return -E[delta_l]."""
    return signal.sum(2)


def feedback_velocity(
    field: NetworkField, group: RuleGroup, forward: ForwardPass, updates: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return dB/dt of a group's rows, of flowfa's rules as it is written down here.

    Parameters
    ----------
    field : NetworkField
    group : RuleGroup
        Which moves its feedback.
    forward : ForwardPass
    updates : mapping
        -G_l of all rows, by the names of the weights.
    """
    rows, name = slice(group.start, group.stop), group.rule.name
    kept = group.kept_at(forward.parameters)
    result = {}
    for layer in range(2, field.layout.layers + 1):
        weight, update = (of[f"W{layer}"][rows].mT for of in (forward.parameters, updates))
        if isinstance(group.rule, KolenPollackWithDecay) and name == "kolen-pollack-decay":
            result[f"B{layer}"] = update - group.rule.decay * kept[f"B{layer}"]
        elif isinstance(group.rule, WeightMirror) and name == "weight-mirror":
            result[f"B{layer}"] = group.rule.rate * weight - group.rule.decay * kept[f"B{layer}"]
    if result:
        return result
    later = [f"W{layer}" for layer in range(2, field.layout.layers + 1)]
    moment = Moment(
        {name: forward.parameters[name][rows] for name in later},
        {name: updates[name][rows] for name in later},
        tuple(h[rows] for h in forward.activations),
        forward.output[rows],
    )
    return group.rule.feedback_velocity(kept, moment)


@dataclass(frozen=True)
class Pieces:
    """The pieces of a flow, right by default; a mutant has one that is wrong."""

    error: Callable[[NetworkField, ForwardPass], Tensor] = error
    matrix: Callable[[int, Tensor, RuleGroup, Tensor], Tensor] = matrix
    source: Callable[[RuleGroup, Tensor, Tensor], Tensor] = source
    slope: Callable[[int, ForwardPass, float], Tensor] = slope
    earlier: Callable[[int, ForwardPass], Tensor] = earlier
    weight_update: Callable[[int, int, Tensor, Tensor | None, Tensor], Tensor] = weight_update
    bias_update: Callable[[int, Tensor], Tensor] = bias_update
    feedback_velocity: Callable[
        [NetworkField, RuleGroup, ForwardPass, Mapping[str, Tensor]], dict[str, Tensor]
    ] = feedback_velocity


class Assembled:
    """The flow that its pieces make, for networks of `field`.

    Parameters
    ----------
    field : NetworkField
        Layout, data, loss, leak, rules and what they keep.
    pieces : Pieces
    """

    def __init__(self, field: NetworkField, pieces: Pieces) -> None:
        self.field = field
        self.pieces = pieces

    def __call__(self, time: Tensor, state: Tensor) -> Tensor:
        """Return the velocity, (trajectory, parameter)."""
        field, pieces, last = self.field, self.pieces, self.field.layout.layers
        forward = field.forward(state)
        output = signal = pieces.error(field, forward)
        updates: dict[str, Tensor] = {}
        for layer in range(last, 0, -1):
            raw = self._raw(layer, forward, signal, output, time) if layer > 1 else None
            if layer > 1:
                h = pieces.earlier(layer - 1, forward)
            else:
                h = field.inputs.transpose(-1, -2).expand(len(state), -1, -1)
            update = pieces.weight_update(layer, last, signal, raw, h)
            updates[f"W{layer}"] = update
            if f"c{layer}" in field.layout.shapes:
                updates[f"c{layer}"] = pieces.bias_update(layer, signal)
            if raw is not None:
                signal = raw * pieces.slope(layer - 1, forward, field.leak)
        for name, shape in field.layout.moving.items():
            updates[name] = state.new_zeros(len(state), *shape)
        for group in field.groups:
            if group.moving:
                moved = pieces.feedback_velocity(field, group, forward, updates)
                for name, velocity in moved.items():
                    updates[name][group.start : group.stop] = velocity
        return field.layout.pack(updates)

    def _raw(
        self, layer: int, forward: ForwardPass, following: Tensor, output: Tensor, time: Tensor
    ) -> Tensor:
        """Return the signal into hidden layer `layer` - 1, before the slope."""
        weight = forward.parameters[f"W{layer}"]
        signals = []
        for group in self.field.groups:
            rows = slice(group.start, group.stop)
            from_output = output[rows]
            if group.rule.feedback_from == "targets":
                from_output = self.field.targets / self.field.samples
                from_output = from_output if from_output.ndim == 2 else from_output[rows]
                from_output = from_output.expand_as(output[rows])
            carried = self.pieces.source(group, following[rows], from_output)
            # What the rule keeps at this state, as if it had been fixed.
            here = replace(group, kept=group.kept_at(forward.parameters), moving=())
            signals.append(self.pieces.matrix(layer, weight[rows], here, time[rows]) @ carried)
        return torch.cat(signals)

    def select(self, rows: Tensor) -> Assembled:
        """Return the field of some rows."""
        return Assembled(self.field.select(rows), self.pieces)

    def switching(self, state: Tensor) -> Tensor | None:
        """Return the preactivations."""
        return self.field.switching(state)

    def surface_name(self, surface: int) -> str:
        """Return the name of a preactivation."""
        return self.field.surface_name(surface)


class WithMemory:
    """A flow with momentum: dtheta/dt = v, dv/dt = (F - v) / delay; v lies behind theta.

    Parameters
    ----------
    field : NetworkField
    delay : float
    """

    def __init__(self, field: NetworkField, delay: float) -> None:
        self.field = field
        self.delay = delay

    def __call__(self, time: Tensor, state: Tensor) -> Tensor:
        """Return the velocity, (trajectory, parameter)."""
        theta, velocity = state.tensor_split(2, dim=1)
        return torch.cat([velocity, (self.field(time, theta) - velocity) / self.delay], 1)

    def select(self, rows: Tensor) -> WithMemory:
        """Return the field of some rows."""
        return WithMemory(self.field.select(rows), self.delay)

    def switching(self, state: Tensor) -> Tensor | None:
        """Return the preactivations."""
        return self.field.switching(state.tensor_split(2, dim=1)[0])

    def surface_name(self, surface: int) -> str:
        """Return the name of a preactivation."""
        return self.field.surface_name(surface)

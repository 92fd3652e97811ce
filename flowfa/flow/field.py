"""The vector field of a learning rule: dW_l/dt = -G_l, dc_l/dt = -E[delta_l] (docs/theory).

With rates and decay by layer (C-8, C-13) it is dW_l/dt = -eta_l (G_l + lambda_l W_l), biases alike,
which are the parameter groups of torch's SGD.

Arrays have samples last: preactivations z_l and signals delta_l are (trajectory, n_l, sample), so
every product is one batched matrix product with a leading trajectory dimension, and trajectory i
is computed the same way whatever runs beside it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from flowfa.flow.layout import ParameterLayout
from flowfa.problems.activations import Activation
from flowfa.problems.losses import Loss
from flowfa.problems.rules import Moment, Rule, check_velocity


@dataclass(frozen=True)
class RuleGroup:
    """Neighbouring trajectories that follow one rule.

    Attributes
    ----------
    rule : Rule
    start, stop : int
        The rows start <= row < stop of the working set.
    kept : mapping
        What the rule keeps as it is, by name, each with leading dimension stop - start. What it
        moves is in the state and not here: `kept_at` has both.
    moving : tuple of str
        Names of what the rule moves.
    """

    rule: Rule
    start: int
    stop: int
    kept: Mapping[str, Tensor]
    moving: tuple[str, ...] = ()

    def kept_at(self, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return what the rule keeps at states whose parameters, of all rows, are given by name."""
        if not self.moving:
            return self.kept
        rows = slice(self.start, self.stop)
        return {**self.kept, **{name: parameters[name][rows] for name in self.moving}}


@dataclass(frozen=True)
class ForwardPass:
    """Everything the forward pass computes.

    Attributes
    ----------
    parameters : dict
        Views of the state by name, with the feedback that moves.
    preactivations : tuple of Tensor
        z_1, ..., z_{L-1}, each (trajectory, n_l, sample).
    activations : tuple of Tensor
        h_1, ..., h_{L-1}.
    output : Tensor
        f, (trajectory, n_L, sample).
    slopes : tuple of Tensor
        Slopes that the activation computed along with its values, s(z_1), ..., s(z_{L-1}), or
        those that sliding selects; empty where they follow from z alone.
    """

    parameters: dict[str, Tensor]
    preactivations: tuple[Tensor, ...]
    activations: tuple[Tensor, ...]
    output: Tensor
    slopes: tuple[Tensor, ...] = ()


@dataclass(frozen=True, eq=False)
class NetworkField:
    """The training flow of a batch of networks as an autonomous field: a value, never changed.

    Attributes
    ----------
    layout : ParameterLayout
        Of the state, with n_0 the dimension of `inputs`.
    inputs : Tensor
        X, (sample, n_0), shared; or (trajectory, sample, n_0).
    targets : Tensor
        Encoded labels, (output, sample) or (trajectory, output, sample).
    loss : Loss
    activation : Activation
        Of every hidden layer.
    groups : tuple of RuleGroup
        Cover the rows in order, without a gap.
    rates : tuple of float
        eta_l of each layer; empty where all are 1.
    weight_decay : tuple of float
        lambda_l of each layer; empty where all are 0.
    sample_shares : Tensor or None
        p_k with E_k[q] = sum_k p_k q_k, (sample,) or (trajectory, sample); None: all are 1/n.
    """

    layout: ParameterLayout
    inputs: Tensor
    targets: Tensor
    loss: Loss
    activation: Activation
    groups: tuple[RuleGroup, ...]
    rates: tuple[float, ...] = ()
    weight_decay: tuple[float, ...] = ()
    sample_shares: Tensor | None = None

    def replace(self, **changes: Any) -> NetworkField:
        """Return the field with some of its attributes changed."""
        return dataclasses.replace(self, **changes)

    @property
    def leak(self) -> float:
        """Slope of the (leaky) ReLU for z <= 0; callers must have refused other activations."""
        assert self.activation.leak is not None
        return self.activation.leak

    @property
    def moves(self) -> bool:
        """Whether states have feedback that moves."""
        return bool(self.layout.moving)

    @property
    def samples(self) -> int:
        """Number of samples n."""
        return self.inputs.shape[-2]

    def __call__(self, time: Tensor, state: Tensor) -> Tensor:
        """Return the velocity, (trajectory, parameter); the field does not depend on time."""
        forward = self.forward(state)
        return self.velocity(state, forward, self.output_signal(forward))

    def velocity(self, state: Tensor, forward: ForwardPass, output_signal: Tensor) -> Tensor:
        """Return the velocity of the whole state, with the feedback that moves."""
        descent = self.descent(forward, output_signal, self.rule_signal)
        return self.with_feedback(forward, descent, self.moved(state, descent))

    def moved(self, state: Tensor, descent: Tensor) -> Tensor:
        """Return -eta_l (G_l + lambda_l W_l) of all layers, (trajectory, network parameter).

        Parameters
        ----------
        state : Tensor
            (trajectory, parameter).
        descent : Tensor
            -G, flat.
        """
        layout, velocity = self.layout, descent
        # One multiplication and one addition at a time: a fused kernel rounds differently in the
        # odd elements at its end, so that a row would depend on the rows beside it.
        if self.weight_decay:
            weights = state[:, : layout.network_length]
            velocity = velocity - layout.spread(self.weight_decay, state) * weights
        if self.rates:
            velocity = layout.spread(self.rates, state) * velocity
        return velocity

    def mean(self, values: Tensor) -> Tensor:
        """Return E_k of values (trajectory, sample); samples of share 0 may have any."""
        if self.sample_shares is None:
            return values.mean(1)
        return torch.where(self.sample_shares > 0.0, self.sample_shares * values, 0.0).sum(1)

    def select(self, rows: Tensor) -> NetworkField:
        """Return the field of some rows, in non-decreasing order; repeats are allowed."""
        groups = []
        start = 0
        for group in self.groups:
            members = rows[(rows >= group.start) & (rows < group.stop)] - group.start
            if len(members):
                kept = {name: matrix[members] for name, matrix in group.kept.items()}
                stop = start + len(members)
                groups.append(dataclasses.replace(group, start=start, stop=stop, kept=kept))
                start += len(members)
        return self.replace(
            inputs=self.inputs[rows] if self.inputs.ndim == 3 else self.inputs,
            targets=self.targets[rows] if self.targets.ndim == 3 else self.targets,
            groups=tuple(groups),
            sample_shares=self._of_rows(self.sample_shares, rows),
        )

    def on_samples(self, chosen: Tensor) -> NetworkField:
        """Return the field of other samples in each row: a minibatch.

        Parameters
        ----------
        chosen : Tensor
            Indices of samples, (trajectory, batch); E_k becomes the mean over the batch, of n p_k
            times what is averaged.
        """
        if self.inputs.ndim == 3:
            rows = torch.arange(len(chosen), device=chosen.device)[:, None]
            inputs = self.inputs[rows, chosen]
        else:
            inputs = self.inputs[chosen]
        if self.targets.ndim == 3:
            index = chosen[:, None].expand(-1, self.targets.shape[1], -1)
            targets = self.targets.gather(2, index)
        else:
            targets = self.targets[:, chosen].transpose(0, 1).contiguous()
        shares = self.sample_shares
        if shares is not None:
            of_batch = shares.gather(1, chosen) if shares.ndim == 2 else shares[chosen]
            shares = of_batch * (self.samples / chosen.shape[1])
        return self.replace(inputs=inputs, targets=targets, sample_shares=shares)

    def switching(self, state: Tensor) -> Tensor | None:
        """Return all preactivations, (trajectory, hidden neuron * sample); None without kinks."""
        if self.activation.kinks != "exact":
            return None
        return torch.cat([z.flatten(1) for z in self.forward(state).preactivations], dim=1)

    def surface_name(self, surface: int) -> str:
        """Return the hidden layer, neuron and sample of a preactivation's index."""
        neuron, sample = divmod(surface, self.samples)
        layer = 1
        while neuron >= self.layout.sizes[layer]:
            neuron -= self.layout.sizes[layer]
            layer += 1
        return f"hidden layer {layer}, neuron {neuron}, sample {sample}"

    def forward(self, state: Tensor) -> ForwardPass:
        """Run the networks on all samples."""
        parameters = self.layout.views(state)
        last = self.layout.layers
        signal = self._batch(self.inputs.transpose(-1, -2), len(state))
        preactivations: list[Tensor] = []
        activations: list[Tensor] = []
        slopes: list[Tensor] = []
        for layer in range(1, last + 1):
            z = _affine(parameters[f"W{layer}"], signal, parameters.get(f"c{layer}"))
            if layer == last:
                return ForwardPass(
                    parameters, tuple(preactivations), tuple(activations), z, tuple(slopes)
                )
            signal, slope = self.activation.forward(z)
            if slope is not None:
                slopes.append(slope)
            preactivations.append(z)
            activations.append(signal)
        raise AssertionError("a network has at least one layer")

    def output_signal(self, forward: ForwardPass) -> Tensor:
        """Return -p_k delta_L, (trajectory, n_L, sample): the share p_k = 1/n of E_k sits here."""
        return self.shared(self.loss.derivative(forward.output, self.targets))

    def shared(self, derivative: Tensor) -> Tensor:
        """Return -p_k times the derivative of the loss, (trajectory, n_L, sample)."""
        shares = self.sample_shares
        if shares is None:
            return derivative / -self.samples
        shares = shares[:, None] if shares.ndim == 2 else shares
        return torch.where(shares > 0.0, -shares * derivative, 0.0)

    def target_signal(self, rows: slice) -> Tensor:
        """Return p_k times the targets of some rows, in the place of -p_k delta_L."""
        targets = self.targets if self.targets.ndim == 2 else self.targets[rows]
        shares = self.sample_shares
        if shares is None:
            return targets / self.samples
        return (shares[rows, None] if shares.ndim == 2 else shares) * targets

    def true_signal(self, layer: int, forward: ForwardPass, following: Tensor, _: Tensor) -> Tensor:
        """Return W_l^T delta_l: backpropagation's signal, whatever the rule."""
        return torch.bmm(forward.parameters[f"W{layer}"].transpose(-1, -2), following)

    def rule_signal(
        self, layer: int, forward: ForwardPass, following: Tensor, output_signal: Tensor
    ) -> Tensor:
        """Return the signal into hidden layer `layer` - 1, each trajectory by its own rule."""
        weight = forward.parameters[f"W{layer}"]
        parts = []
        for group in self.groups:
            rows = slice(group.start, group.stop)
            matrix = group.rule.feedback(layer, weight[rows], group.kept_at(forward.parameters))
            if group.rule.feedback_from == "targets":
                source = self._batch(self.target_signal(rows), group.stop - group.start)
            else:
                whole = output_signal if group.rule.feedback_from == "output" else following
                source = whole[rows]
            parts.append(torch.bmm(matrix, source))
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def with_feedback(self, forward: ForwardPass, descent: Tensor, moved: Tensor) -> Tensor:
        """Return the velocity of the whole state: that of the feedback put behind the network's.

        Parameters
        ----------
        forward : ForwardPass
        descent : Tensor
            -G, flat, without decay, which the feedback sees.
        moved : Tensor
            The velocity of the network, flat.
        """
        if not self.layout.moving:
            return moved
        parameters, updates = forward.parameters, self.layout.views(descent)
        later = [f"W{layer}" for layer in range(2, self.layout.layers + 1)]
        velocities = {name: torch.zeros_like(parameters[name]) for name in self.layout.moving}
        for group in self.groups:
            if not group.moving:
                continue
            rows = slice(group.start, group.stop)
            moment = Moment(
                {name: parameters[name][rows] for name in later},
                {name: updates[name][rows] for name in later},
                tuple(h[rows] for h in forward.activations),
                forward.output[rows],
            )
            rates = group.rule.feedback_velocity(group.kept_at(parameters), moment)
            check_velocity(group.rule, rates, {n: velocities[n][rows].shape for n in group.moving})
            for name, velocity in rates.items():
                velocities[name][rows] = velocity
        return torch.cat([moved, *(v.flatten(1) for v in velocities.values())], dim=1)

    def steepest(self, forward: ForwardPass, output_signal: Tensor) -> Tensor:
        """Return -grad Loss, flat, with the true derivative of the activation."""
        return self.descent(forward, output_signal, self.true_signal, exact=True)

    def descent(
        self,
        forward: ForwardPass,
        output_signal: Tensor,
        signal_into: Callable[[int, ForwardPass, Tensor, Tensor], Tensor],
        exact: bool = False,
    ) -> Tensor:
        """Return the descent direction, flat, whose backward signals `signal_into` forms.

        The signals pass the slope of the activation, or if `exact` its derivative, which makes the
        gradient that of the loss (Eq. (1)): with smoothed kinks the two differ.
        """
        size = len(output_signal)
        descents: dict[str, Tensor] = {}
        signal = output_signal
        for layer in range(self.layout.layers, 0, -1):
            if layer > 1:
                earlier = forward.activations[layer - 2].transpose(-1, -2)
            else:
                earlier = self._batch(self.inputs, size)
            descents[f"W{layer}"] = torch.bmm(signal, earlier)
            if f"c{layer}" in self.layout.shapes:
                descents[f"c{layer}"] = signal.sum(-1)
            if layer > 1:
                raw = signal_into(layer, forward, signal, output_signal)
                signal = self._through(raw, forward, layer - 2, exact)
        return self.layout.pack(descents)

    def _through(self, signal: Tensor, forward: ForwardPass, index: int, exact: bool) -> Tensor:
        """Return a signal times the slope of hidden layer `index` + 1, elementwise."""
        z = forward.preactivations[index]
        if exact and not self.activation.slope_is_derivative:
            return signal * self.activation.derivative(z)
        if forward.slopes:
            return signal * forward.slopes[index]
        return self.activation.through(signal, z)

    @staticmethod
    def _of_rows(shares: Tensor | None, rows: Tensor) -> Tensor | None:
        """Return the shares of some rows; those of all trajectories are the same for each."""
        return shares[rows] if shares is not None and shares.ndim == 2 else shares

    @staticmethod
    def _batch(matrix: Tensor, size: int) -> Tensor:
        """Give a shared matrix a leading trajectory dimension without copying it."""
        return matrix if matrix.ndim == 3 else matrix.expand(size, *matrix.shape)


def _affine(weight: Tensor, signal: Tensor, bias: Tensor | None) -> Tensor:
    if bias is None:
        return torch.bmm(weight, signal)
    return torch.baddbmm(bias[:, :, None], weight, signal)

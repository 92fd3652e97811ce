"""What training with momentum and weight decay adds to C-4's quantities, as an exact sum.

With v <- mu v + G + lambda W and W <- W - eta v, and b = a w_out + B + M * sign(w_out) the feedback
(C-12), C = 1/2 ||w_in||^2 - g(w_out) changes in a step by -eta q + eta^2/2 V - f, where
q = <w_in, v_in> - <v_out, b>, V = ||v_in||^2 - a ||v_out||^2, and f = sum M (abs(w+) - sign(w) w+)
over the out-weights whose sign flips. G has no part in q (C-1), so that

    q = mu q' + lambda (||w_in||^2 - <w_out, b>),
    q' of the next step = q - eta V - <v_out, M * (sign(w+) - sign(w))>.

No term contains C itself, so that the sum predicts it. For gd C is recorded as ||w_in||^2 -
||w_out||^2, twice the above. The recursion is linear: what begins with lambda is the share of
weight decay, and all else is the share of the steps (C-11).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from flowfa.torch_layers.channels import ChannelPair, channel_pairs


@dataclass(frozen=True)
class ChannelTerms:
    """What the law speaks of at one state, float64.

    Attributes
    ----------
    half_square : Tensor
        1/2 ||w_in||^2 in the unit of the rule's law, (channel,); for gd ||w_in||^2.
    outgoing : Tensor
        g(w_out) in that unit, (channel,); for gd ||w_out||^2.
    w_out, feedback : Tensor
        Out-weights and b, (entry, channel).
    """

    half_square: Tensor
    outgoing: Tensor
    w_out: Tensor
    feedback: Tensor

    @property
    def conserved(self) -> Tensor:
        """C of each channel."""
        return self.half_square - self.outgoing


class ChannelLaw:
    """Adds up, step by step, what SGD adds to what each channel conserves.

    Parameters
    ----------
    model : torch.nn.Sequential
        From `convert`, with a rule whose feedback has the form of C-12.
    momentum, weight_decay : float
        Of ``torch.optim.SGD`` without dampening and Nesterov, the same for all parameters.

    Attributes
    ----------
    steps, decay : dict
        By the hidden layer's name: the shares of C(t) - C(0), float64, (channel,).

    Raises
    ------
    InputError
        If C-4 is not for this model (`conserved_by_channel`), or the feedback of the rule has
        no form.
    """

    def __init__(self, model: nn.Module, momentum: float, weight_decay: float) -> None:
        self._pairs = {pair.name: pair for pair in channel_pairs(model, unchecked=False)}
        for pair in self._pairs.values():
            pair.form()
        self._momentum, self._weight_decay = momentum, weight_decay

        def zeros() -> dict[str, Tensor]:
            return {
                name: torch.zeros(
                    len(pair.layer.weight), dtype=torch.float64, device=pair.layer.weight.device
                )
                for name, pair in self._pairs.items()
            }

        self.steps, self.decay = zeros(), zeros()
        self._steps_pull, self._decay_pull = zeros(), zeros()

    def terms(self) -> dict[str, ChannelTerms]:
        """Return the terms of the law as the model is now."""
        return {name: _terms(pair) for name, pair in self._pairs.items()}

    def add(
        self,
        before: Mapping[str, ChannelTerms],
        after: Mapping[str, ChannelTerms],
        velocity: Callable[[Tensor], Tensor],
        rate: float,
    ) -> None:
        """Add a step that was taken.

        Parameters
        ----------
        before, after : mapping
            `terms` around the step.
        velocity : callable
            v of a parameter in this step; the parameter moved by -rate v.
        rate : float
            eta.
        """
        for name, pair in self._pairs.items():
            of_bias = None if pair.layer.bias is None else velocity(pair.layer.bias)
            v_in = pair.rows(velocity(pair.layer.weight), of_bias).double()
            v_out = pair.columns(velocity(pair.following.weight)).double()
            old, new = before[name], after[name]
            form, unit = pair.form(torch.float64), pair.rule.conserved_unit
            square = v_in.square().sum(1)
            if form.weight_share:
                square = square - form.weight_share * v_out.square().sum(0)
            turned, flipped = torch.zeros(()), torch.zeros(())
            jumps = form.jumps(old.w_out[None], new.w_out[None])
            if jumps is not None:
                turned = (v_out * jumps[0]).sum(0)
                flipped = (jumps[0] * new.w_out).sum(0)
            gap = 2.0 / unit * old.half_square - (old.w_out * old.feedback).sum(0)
            of_steps = self._momentum * self._steps_pull[name]
            of_decay = self._momentum * self._decay_pull[name] + self._weight_decay * gap
            self.steps[name] += unit * (rate * (0.5 * rate * square - of_steps) - flipped)
            self.decay[name] -= unit * rate * of_decay
            self._steps_pull[name] = of_steps - rate * square - turned
            self._decay_pull[name] = of_decay

    def state(self) -> dict[str, Tensor]:
        """Return all that `restore` needs, by name."""
        return {
            f"{kind} {name}": value
            for kind, kept in self._kept().items()
            for name, value in kept.items()
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` returned."""
        for kind, kept in self._kept().items():
            for name, value in kept.items():
                kept[name] = state[f"{kind} {name}"].to(value)

    def _kept(self) -> dict[str, dict[str, Tensor]]:
        return {
            "steps": self.steps,
            "decay": self.decay,
            "steps pull": self._steps_pull,
            "decay pull": self._decay_pull,
        }


def _terms(pair: ChannelPair) -> ChannelTerms:
    w_in = pair.rows(pair.layer.weight, pair.layer.bias).double()
    # A copy, because the next step changes the weight itself.
    w_out = pair.columns(pair.following.weight).to(torch.float64, copy=True)
    square = w_in.square().sum(1)
    form, unit = pair.form(torch.float64), pair.rule.conserved_unit
    feedback = form.matrix(w_out[None])[0].T
    # g = <w_out, b> - a/2 ||w_out||^2.
    outgoing = (w_out * feedback).sum(0)
    if form.weight_share:
        outgoing = outgoing - 0.5 * form.weight_share * w_out.square().sum(0)
    return ChannelTerms(unit * 0.5 * square, unit * outgoing, w_out, feedback)

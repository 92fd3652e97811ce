"""What training with momentum and weight decay adds to C-4's quantities, as an exact sum.

With v <- mu v + G + lambda W and W <- W - eta v, and b the feedback of the out-weights, C =
1/2 ||w_in||^2 - <w_out, b> changes in a step by -eta q + eta^2/2 ||v_in||^2 - f, where
q = <w_in, v_in> - <v_out, b> and f = sum m (abs(w+) - sign(w) w+) over the out-weights whose sign
flips (signfa, frsf). G has no part in q (C-1), so that

    q = mu q' + lambda (||w_in||^2 - <w_out, b>),
    q' of the next step = q - eta ||v_in||^2 - <v_out, b+ - b>.

Nothing of this looks at C itself, so that the sum predicts it. For gd, C = ||w_in||^2 -
||w_out||^2: b = w_out, the change is twice that above without f, with ||v_in||^2 - ||v_out||^2 in
place of ||v_in||^2, and no b+ - b. The recursion is linear: the part that begins with lambda is
weight decay's share, the rest that of the steps (C-11).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from flowfa.errors import InputError
from flowfa.problems.rules import (
    AdaptiveFeedbackAlignment,
    DirectFeedbackAlignment,
    FeedbackAlignment,
    FixedRandomSignFeedback,
    GradientDescent,
    SignFeedbackAlignment,
)
from flowfa.torch_layers.channels import ChannelPair, channel_pairs, magnitude

FIXED = (FeedbackAlignment, AdaptiveFeedbackAlignment, DirectFeedbackAlignment)
SIGNS = (SignFeedbackAlignment, FixedRandomSignFeedback)


@dataclass(frozen=True)
class ChannelTerms:
    """What the law speaks of at one state, float64.

    Attributes
    ----------
    half_square : Tensor
        1/2 ||w_in||^2, (channel,); for gd ||w_in||^2.
    outgoing : Tensor
        <w_out, b>, (channel,); for gd ||w_out||^2.
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
        From `convert`, with one of flowfa's rules that has a law.
    momentum, weight_decay : float
        Of ``torch.optim.SGD`` without dampening and Nesterov, the same for all parameters.

    Attributes
    ----------
    steps, decay : dict
        By the hidden layer's name: the shares of C(t) - C(0), float64, (channel,).

    Raises
    ------
    InputError
        If C-4 is not for this model (`conserved_by_channel`), or the rule is one of one's own.
    """

    def __init__(self, model: nn.Module, momentum: float, weight_decay: float) -> None:
        self._pairs = {pair.name: pair for pair in channel_pairs(model, unchecked=False)}
        for pair in self._pairs.values():
            if not isinstance(pair.rule, (GradientDescent, *FIXED, *SIGNS)):
                raise InputError(
                    f"what a step adds under the rule {pair.rule.name!r} is not known: only its "
                    "own author can tell"
                )
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
            here, there = before[name], after[name]
            square, flipped = v_in.square().sum(1), torch.zeros(())
            # 1/2 ||w_in||^2, or ||w_in||^2 under gd: the factor of everything but q there.
            factor, in_square = 1.0, 2.0 * here.half_square
            if isinstance(pair.rule, GradientDescent):
                factor, in_square = 2.0, here.half_square
                square = square - v_out.square().sum(0)
                turned = torch.zeros(())
            else:
                turned = (v_out * (there.feedback - here.feedback)).sum(0)
            if isinstance(pair.rule, SIGNS):
                w = there.w_out
                sizes = magnitude(pair, w).double()
                flipped = (sizes * (w.abs() - here.w_out.sign() * w)).sum(0)
            gap = in_square - here.outgoing
            of_steps = self._momentum * self._steps_pull[name]
            of_decay = self._momentum * self._decay_pull[name] + self._weight_decay * gap
            self.steps[name] += factor * rate * (0.5 * rate * square - of_steps) - flipped
            self.decay[name] -= factor * rate * of_decay
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
    # A copy: without it these would be the weight itself, which the next step changes.
    w_out = pair.columns(pair.following.weight).to(torch.float64, copy=True)
    square = w_in.square().sum(1)
    if isinstance(pair.rule, GradientDescent):
        return ChannelTerms(square, w_out.square().sum(0), w_out, w_out)
    if isinstance(pair.rule, SIGNS):
        feedback = magnitude(pair, w_out).double() * w_out.sign()
    else:
        assert pair.kept is not None
        feedback = pair.columns(pair.kept).double()
    return ChannelTerms(0.5 * square, (w_out * feedback).sum(0), w_out, feedback)

"""C-4 in sequential models: what each channel conserves, and what a discrete step adds to it.

The law of a channel holds if every module h = f(z) between two layers has <h, s> = <z, signal
into z>, where s is the signal into h. That is true of leaky ReLU, max and average pooling (a linear
map and its transpose), zero padding, dropout and reshapes, and so of a global average pool, without
a factor for its size. It is false of normalisation layers and of activations that are not
homogeneous.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from flowfa.errors import InputError
from flowfa.problems.rules import FeedbackForm, Rule, form_of
from flowfa.torch_layers.direct import DirectFeedbackSequential, in_order, is_layer
from flowfa.torch_layers.layers import FeedbackConv2d, FeedbackLinear
from flowfa.torch_layers.layouts import check_layout, check_sequence

KEEPS_THE_LAW = (
    nn.Identity,
    nn.ReLU,
    nn.LeakyReLU,
    nn.PReLU,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.Flatten,
    nn.Dropout,
    nn.Dropout2d,
    nn.ZeroPad2d,
)


@dataclass(frozen=True)
class ChannelPair:
    """A hidden layer and the layer that follows it.

    Attributes
    ----------
    name : str
        Of the hidden layer.
    layer, following : torch.nn.Linear or Conv2d
    rule : Rule
    kept : Tensor or None
        What the rule keeps for `following`, laid out as its weight.
    """

    name: str
    layer: nn.Linear | nn.Conv2d
    following: nn.Linear | nn.Conv2d
    rule: Rule
    kept: Tensor | None

    def rows(self, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        """Return w_in of each channel with its bias (C-2), (channel, entry)."""
        parts = [] if weight is None else [weight.detach().flatten(1)]
        if bias is not None:
            parts.append(bias.detach()[:, None])
        return torch.cat(parts, 1)

    def columns(self, weight: Tensor) -> Tensor:
        """Return w_out of each channel, (entry, channel), of a tensor like `following`'s weight."""
        channels = self.layer.weight.shape[0]
        weight = weight.detach()
        if isinstance(self.following, nn.Linear):
            # After a flattening a channel's positions are neighbours.
            return weight.unflatten(1, (channels, -1)).transpose(1, 2).flatten(0, 1)
        grouped = weight.unflatten(0, (self.following.groups, -1)).flatten(3)
        return grouped.permute(1, 3, 0, 2).flatten(2).flatten(0, 1)

    def conserved(self) -> Tensor | None:
        """Return 1/2 ||w_in||^2 - g(w_out) in the rule's unit, (channel,); None without a law."""
        incoming = self.rows(self.layer.weight, self.layer.bias).square().sum(1)[None]
        out_weight = self.columns(self.following.weight)[None]
        form = self._form(None)
        if form is None:
            kept = {name: self._by_channel(matrix) for name, matrix in self._kept(None).items()}
            value = self.rule.conserved(1, incoming, out_weight, kept)
        else:
            value = self.rule.conserved_unit * (0.5 * incoming - form.potential(out_weight))
        return None if value is None else value[0]

    def form(self, dtype: torch.dtype | None = None) -> FeedbackForm:
        """Return the form of the feedback into the channels, for w_out as (1, entry, channel).

        Raises
        ------
        InputError
            If the rule is not in form (`flowfa.problems.rules.form_of`).
        """
        form = self._form(dtype)
        if form is None:
            raise InputError(
                f"what a step adds under the rule {self.rule.name!r} is not known: only its own "
                "author can tell, by stating the form of its feedback (flowfa.RuleInForm)"
            )
        return form

    def _form(self, dtype: torch.dtype | None) -> FeedbackForm | None:
        # A form may depend on where an entry stands in the layer's weight. So it is asked for as
        # the layer asks for it (`LayerFeedback.matrix`), and laid out by channels afterwards.
        outputs, inputs = self.following.weight.flatten(1).shape
        form = form_of(self.rule, 2, (outputs, inputs), self._kept(dtype))
        if form is None:
            return None
        fixed, magnitudes = form.fixed, form.magnitudes
        return replace(
            form,
            fixed=None if fixed is None else self._by_channel(fixed),
            magnitudes=(
                self._by_channel(magnitudes) if isinstance(magnitudes, Tensor) else magnitudes
            ),
        )

    def _kept(self, dtype: torch.dtype | None) -> dict[str, Tensor]:
        """Return what the rule keeps, as the last of two layers has it: (1, in, out)."""
        if self.kept is None:
            return {}
        key = "D1" if self.rule.feedback_from == "output" else f"{self.rule.keeps}2"
        return {key: self.kept.detach().to(dtype).flatten(1).T[None]}

    def _by_channel(self, matrix: Tensor) -> Tensor:
        """Return a matrix of the layer, (1, in, out), as (1, channel, entry)."""
        return self.columns(matrix[0].T.reshape(self.following.weight.shape)).T[None]


def conserved_by_channel(model: nn.Module, *, unchecked: bool = False) -> dict[str, Tensor]:
    """Return the quantity that each channel of each hidden layer conserves under the flow (C-4).

    Parameters
    ----------
    model : torch.nn.Sequential
        From `convert`.
    unchecked : bool
        Whether modules that break the law are accepted, to see how far they do.

    Returns
    -------
    dict
        By the hidden layer's name, (channel,): 1/2 (||K_l[c]||^2 + bias_c^2) minus the rule's
        term in the out-weights; for gd twice that, as in C-1's table. Without the layers for
        which the rule has no law: all of brsf, and all but the last of dfa.

    Raises
    ------
    InputError
        If the model is not sequential or has no feedback, a layer is used twice or does not read
        the channels of the one before, or a module between two layers breaks the law: its name.
    """
    quantities = {}
    for pair in channel_pairs(model, unchecked):
        value = pair.conserved()
        if value is not None:
            quantities[pair.name] = value
    return quantities


def expected_channel_change(
    model: nn.Module, learning_rate: float, weight_decay: float = 0.0, *, unchecked: bool = False
) -> dict[str, Tensor]:
    """Return what the next plain SGD step adds to `conserved_by_channel`, exactly (C-11).

    With eta the rate, lambda the decay of *all* parameters, U = -(G + lambda W) the step, and
    feedback of the form b = a w_out + B + M * sign(w_out), 1/2 ||w_in||^2 - g(w_out) changes by
    ``(eta^2 / 2) (||U_in||^2 - a ||U_out||^2) - eta lambda (||w_in||^2 - <w_out, b>)``, minus
    ``M (abs(w + eta u) - sign(w) (w + eta u))`` for each out-weight w with step u. For gd it is
    twice that, as in C-1's table.

    Parameters
    ----------
    model : torch.nn.Sequential
        From `convert`, after ``backward()``: the update G is read from ``.grad``.
    learning_rate, weight_decay : float
        Of ``torch.optim.SGD`` without momentum.
    unchecked : bool
        As for `conserved_by_channel`.

    Returns
    -------
    dict
        By the hidden layer's name, (channel,).

    Raises
    ------
    InputError
        As for `conserved_by_channel`; and if a layer has no ``.grad``, or the feedback of the rule
        has no form.
    """
    changes = {}
    for pair in channel_pairs(model, unchecked):
        w_in = pair.rows(pair.layer.weight, pair.layer.bias)
        g_in = pair.rows(_update(pair.layer, "weight"), _update(pair.layer, "bias"))
        w_out = pair.columns(pair.following.weight)
        update = _update(pair.following, "weight")
        assert update is not None
        g_out = pair.columns(update)
        u_in, u_out = -(g_in + weight_decay * w_in), -(g_out + weight_decay * w_out)
        squares, in_norms = u_in.square().sum(1), w_in.square().sum(1)
        rate, form = learning_rate, pair.form()
        feedback = form.matrix(w_out[None])[0].T
        gap = in_norms - (w_out * feedback).sum(0)
        second = squares - form.weight_share * u_out.square().sum(0)
        change = 0.5 * rate**2 * second - rate * weight_decay * gap
        after = w_out + rate * u_out
        jumps = form.jumps(w_out[None], after[None])
        if jumps is not None:
            change = change - (jumps[0] * after).sum(0)
        changes[pair.name] = pair.rule.conserved_unit * change
    return changes


def _update(layer: nn.Linear | nn.Conv2d, name: str) -> Tensor | None:
    parameter = getattr(layer, name)
    if parameter is None:
        return None
    if parameter.grad is None:
        raise InputError("a layer has no .grad: call backward() of the loss before")
    return parameter.grad


def channel_pairs(model: nn.Module, unchecked: bool) -> list[ChannelPair]:
    """Return neighbouring layers for which the rule has a law.

    Raises
    ------
    InputError
        As `conserved_by_channel`.
    """
    if not isinstance(model, nn.Sequential):
        raise InputError(
            f"the channels of {type(model).__name__} are not known to follow one another: expected "
            "torch.nn.Sequential"
        )
    flat = in_order(model)
    check_sequence(model, flat)
    positions = [position for position, (_, module) in enumerate(flat) if is_layer(module)]
    pairs = []
    for first, second in itertools.pairwise(positions):
        (name, layer), (_, following) = flat[first], flat[second]
        assert isinstance(layer, nn.Linear | nn.Conv2d)
        assert isinstance(following, nn.Linear | nn.Conv2d)
        if isinstance(model, DirectFeedbackSequential):
            if second != positions[-1]:
                continue
            rule, kept = model.rule, model.matrices[-1].T
        elif isinstance(following, FeedbackLinear | FeedbackConv2d):
            rule, kept = following.feedback.rule, following.feedback_weight
            if following.feedback.redrawn:
                continue
        else:
            raise InputError(
                f"{flat[second][0]} has no feedback: convert the model first, convert(model, 'gd') "
                "for gradient descent"
            )
        check_layout(flat[first : second + 1])
        for between, module in flat[first + 1 : second]:
            if not unchecked and type(module) not in KEEPS_THE_LAW:
                raise InputError(
                    f"{between} ({type(module).__name__}) stands between {name} and "
                    f"{flat[second][0]} and breaks C-4: `unchecked=True` measures how far"
                )
        pairs.append(ChannelPair(name, layer, following, rule, kept))
    return pairs

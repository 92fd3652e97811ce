"""``torch.nn.Linear`` and ``Conv2d`` with feedback; everything else about them is the same."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch._C._functorch import maybe_current_level

from flowfa.errors import InputError
from flowfa.torch_layers.feedback import LayerFeedback
from flowfa.torch_layers.signal import ConvolutionSignal, LinearSignal


class FeedbackLinear(nn.Linear):
    """A linear layer whose backward signal passes through its rule's feedback.

    Made by `convert`, or by `give_feedback` of an existing layer.

    Attributes
    ----------
    feedback : LayerFeedback
    feedback_weight : Tensor or None
        Buffer: what the rule keeps (B, or the magnitudes M), (out, in) like the weight.
    draws : Tensor
        Buffer: how often `feedback_weight` was drawn.
    """

    feedback: LayerFeedback
    feedback_weight: Tensor | None
    draws: Tensor

    def forward(self, input: Tensor) -> Tensor:
        """Return h W^T + c, (..., out)."""
        return LinearSignal.apply(*_autocast(input, self.weight, self.bias, current_feedback(self)))


class FeedbackConv2d(nn.Conv2d):
    """A 2d convolution whose backward signal passes through its rule's feedback.

    Stride, padding of every mode, dilation and groups are those of ``torch.nn.Conv2d``;
    `feedback_weight` is (out, in / groups, height, width) like the weight. Other attributes are
    those of `FeedbackLinear`.
    """

    feedback: LayerFeedback
    feedback_weight: Tensor | None
    draws: Tensor

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution, (sample, out, height, width), or without samples."""
        padding = self.padding
        if isinstance(padding, str) or self.padding_mode != "zeros":
            # "same" may pad the sides differently; torch keeps the widths ready for pad().
            mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
            input = nn.functional.pad(input, self._reversed_padding_repeated_twice, mode=mode)
            padding = (0, 0)
        single = input.ndim == 3
        result = ConvolutionSignal.apply(
            *_autocast(
                input[None] if single else input, self.weight, self.bias, current_feedback(self)
            ),
            self.stride,
            padding,
            self.dilation,
            self.groups,
        )
        return result[0] if single else result


FEEDBACK_CLASSES: dict[type[nn.Module], type[nn.Module]] = {
    nn.Linear: FeedbackLinear,
    nn.Conv2d: FeedbackConv2d,
}


def give_feedback(layer: nn.Linear | nn.Conv2d, feedback: LayerFeedback) -> None:
    """Make a layer one with feedback, in place.

    The object stays the same, so that whatever refers to it - the model, a list, a bound method,
    an optimizer with its parameters, a hook - goes on to work, with the feedback.
    """
    kept = feedback.draw(layer.weight)
    # setattr: type checkers do not know that an object may change its class.
    setattr(layer, "__class__", FEEDBACK_CLASSES[type(layer)])  # noqa: B010
    setattr(layer, "feedback", feedback)  # noqa: B010
    layer.register_buffer("feedback_weight", kept)
    layer.register_buffer("draws", torch.zeros((), dtype=torch.int64, device=layer.weight.device))


def current_feedback(layer: FeedbackLinear | FeedbackConv2d) -> Tensor:
    """Return the feedback for this forward pass, laid out as the weight.

    Rules whose feedback is redrawn draw it here, at each pass in training mode with gradients.

    Raises
    ------
    InputError
        If the weight is complex, or feedback is to be drawn inside a transform of torch.func.
    """
    if layer.weight.is_complex():
        raise InputError(
            "a layer has complex weights: feedback rules are defined for real ones, so give "
            "real and imaginary parts layers of their own"
        )
    if layer.feedback.redrawn and layer.training and torch.is_grad_enabled():
        if transformed():
            raise InputError(
                f"feedback that is drawn at each pass ({layer.feedback.rule.name}, redrawn) cannot "
                "be drawn inside torch.func: use backward(), or another rule"
            )
        layer.draws += 1
        # A new tensor: graphs of earlier passes keep the old one.
        layer.feedback_weight = layer.feedback.draw(layer.weight, int(layer.draws))
    return layer.feedback.matrix(layer.weight, layer.feedback_weight)


def transformed() -> bool:
    """Return whether this runs inside a transform of torch.func: grad, vmap, jvp."""
    return maybe_current_level() is not None


def _autocast(*tensors: Tensor | None) -> tuple[Tensor | None, ...]:
    """Cast as autocast casts the arguments of a linear map, which the backward pass then shares."""
    kind = next(tensor.device.type for tensor in tensors if tensor is not None)
    if not torch.is_autocast_enabled(kind):
        return tensors
    dtype = torch.get_autocast_dtype(kind)
    # Autocast leaves double precision alone.
    return tuple(
        tensor if tensor is None or tensor.dtype == torch.float64 else tensor.to(dtype)
        for tensor in tensors
    )

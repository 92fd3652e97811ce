"""``torch.nn.Linear`` and ``Conv2d`` with feedback; everything else about them is the same."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flowfa.torch_layers.feedback import LayerFeedback
from flowfa.torch_layers.signal import ConvolutionSignal, LinearSignal


class FeedbackLinear(nn.Linear):
    """A linear layer whose backward signal passes through its rule's feedback.

    Made by `convert`, or by `with_feedback` from an existing layer.

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
        return LinearSignal.apply(input, self.weight, self.bias, current_feedback(self))


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
            input[None] if single else input,
            self.weight,
            self.bias,
            current_feedback(self),
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


def with_feedback(
    layer: nn.Linear | nn.Conv2d, feedback: LayerFeedback
) -> FeedbackLinear | FeedbackConv2d:
    """Return a feedback layer with the parameters, hooks and mode of `layer`.

    The parameters are the same objects, so optimizers that have them go on to work.
    """
    cls = FeedbackLinear if isinstance(layer, nn.Linear) else FeedbackConv2d
    # All that a torch module is lies in its dictionary; a constructor would draw new weights.
    made = cls.__new__(cls)
    made.__dict__.update(layer.__dict__)
    for own in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"):
        made.__dict__[own] = layer.__dict__[own].copy()
    made.feedback = feedback
    made.register_buffer("feedback_weight", feedback.draw(layer.weight))
    made.register_buffer("draws", torch.zeros((), dtype=torch.int64, device=layer.weight.device))
    return made


def current_feedback(layer: FeedbackLinear | FeedbackConv2d) -> Tensor:
    """Return the feedback for this forward pass, laid out as the weight.

    Rules whose feedback is redrawn draw it here, at each pass in training mode with gradients.
    """
    if layer.feedback.redrawn and layer.training and torch.is_grad_enabled():
        layer.draws += 1
        # A new tensor: graphs of earlier passes keep the old one.
        layer.feedback_weight = layer.feedback.draw(layer.weight, int(layer.draws))
    return layer.feedback.matrix(layer.weight, layer.feedback_weight)

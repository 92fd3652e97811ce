"""Feedback rules for any torch model: layers whose backward pass takes B instead of W^T.

They need the rules (`flowfa.problems.rules`) and torch, and nothing of flowfa's flows, solvers or
training: a model that is converted is trained by whatever trains torch models.
"""

from flowfa.torch_layers.alignment import layer_alignment
from flowfa.torch_layers.channel_law import ChannelLaw, ChannelTerms
from flowfa.torch_layers.channels import (
    conserved_by_channel,
    expected_channel_change,
)
from flowfa.torch_layers.convert import convert
from flowfa.torch_layers.direct import DirectFeedbackSequential
from flowfa.torch_layers.feedback import LayerFeedback
from flowfa.torch_layers.layers import FeedbackConv2d, FeedbackLinear

__all__ = [
    "ChannelLaw",
    "ChannelTerms",
    "DirectFeedbackSequential",
    "FeedbackConv2d",
    "FeedbackLinear",
    "LayerFeedback",
    "conserved_by_channel",
    "convert",
    "expected_channel_change",
    "layer_alignment",
]

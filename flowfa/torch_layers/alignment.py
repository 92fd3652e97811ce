"""How well the feedback of a torch model agrees with its weights."""

from __future__ import annotations

from torch import Tensor, nn

from flowfa.torch_layers.direct import DirectFeedbackSequential, in_order, is_layer
from flowfa.torch_layers.layers import FeedbackConv2d, FeedbackLinear


def layer_alignment(model: nn.Module) -> dict[str, float]:
    """Return cos(W_l, B_l^T) of each layer with feedback (A-1), over all its entries.

    Parameters
    ----------
    model : torch.nn.Module
        From `convert`.

    Returns
    -------
    dict
        By the layer's name, in the order of the model. The first layer is among them, though its
        feedback is not used. For dfa only the last layer: D_{L-1} is the only one of W's shape.
    """
    if isinstance(model, DirectFeedbackSequential):
        name, layer = [(name, module) for name, module in in_order(model) if is_layer(module)][-1]
        weight = layer.weight
        assert isinstance(weight, Tensor)
        matrices = model.matrices
        return {name: _cosine(weight, matrices[-1].T)} if matrices else {}
    return {
        name: _cosine(layer.weight, layer.feedback.matrix(layer.weight, layer.feedback_weight))
        for name, layer in model.named_modules()
        if isinstance(layer, FeedbackLinear | FeedbackConv2d)
    }


def _cosine(weight: Tensor, feedback: Tensor) -> float:
    product = (weight * feedback).sum() / (weight.norm() * feedback.norm())
    return float(product.detach())

"""A copy of any torch model that learns by a feedback rule."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from flowfa.errors import InputError
from flowfa.problems.rules import Rule
from flowfa.torch_layers.direct import direct_feedback
from flowfa.torch_layers.feedback import for_layer, resolved
from flowfa.torch_layers.graph import PassInspector
from flowfa.torch_layers.layers import FEEDBACK_CLASSES, give_feedback
from flowfa.torch_layers.suitable import check_module


def convert(
    module: nn.Module, rule: str | Rule, *, seed: int = 0, example: Tensor | None = None
) -> nn.Module:
    """Return a copy of a torch model whose linear layers and 2d convolutions use feedback.

    The copy computes the same outputs, by its own forward pass; its ``backward()`` leaves in
    ``.grad`` the update G of the rule instead of the gradient, so that any optimizer, schedule or
    training loop works. The first layer's feedback is never used unless the inputs require
    gradients. All other modules (activations, pooling, normalisation) pass the signal by their
    true derivative.

    Layers get their feedback in place, so that lists, bound methods and hooks that refer to them
    refer to layers with feedback. What can be seen only when the model runs - a weight used
    outside of its layer, a layer of the original in a closure, a model under dfa that is no chain
    - is refused at the first forward pass with gradients, in training and in evaluation mode.

    Parameters
    ----------
    module : torch.nn.Module
        Is not changed. A layer that is used in several places stays one layer (not under dfa).
    rule : str or Rule
        ``gd``, ``fa``, ``adafa``, ``signfa``, ``frsf``, ``brsf``, a rule of one's own, or
        ``dfa`` for a ``torch.nn.Sequential``. ``SignFeedbackAlignment(scale)`` sets signfa's
        scale.
    seed : int
        Of the random feedback; each layer draws by its name.
    example : Tensor, optional
        An input, from which dfa learns the sizes of hidden layers before convolutions.

    Returns
    -------
    torch.nn.Module
        On the same device and of the same dtype.

    Raises
    ------
    InputError
        If there is no such rule, nothing to convert, or a layer whose signal cannot be replaced:
        its name and why; if an argument is of another kind.
    """
    if not isinstance(module, nn.Module):
        raise InputError(f"`module` is {module!r}: expected a torch.nn.Module")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(f"`seed` is {seed!r}: expected a whole number of at least 0")
    chosen, redrawn = resolved(rule)
    direct = chosen.feedback_from == "output"
    check_module(module, direct)
    if direct and type(module) is not nn.Sequential:
        raise InputError(
            f"the rule {chosen.name!r} is for torch.nn.Sequential, not for "
            f"{type(module).__name__}: direct feedback needs to know which layer follows which"
        )
    model = copy.deepcopy(module)
    if direct:
        assert isinstance(model, nn.Sequential)
        return direct_feedback(model, chosen, seed, example)
    for name, layer in list(model.named_modules()):
        if type(layer) in FEEDBACK_CLASSES:
            assert isinstance(layer, nn.Linear | nn.Conv2d)
            give_feedback(layer, for_layer(chosen, redrawn, seed, name, layer.weight))
    model.register_forward_hook(PassInspector(module))
    return model

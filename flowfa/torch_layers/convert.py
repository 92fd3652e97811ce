"""A copy of any torch model that learns by a feedback rule."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from flowfa.errors import InputError
from flowfa.problems.rules import Rule
from flowfa.torch_layers.direct import DirectFeedbackSequential, direct_feedback
from flowfa.torch_layers.feedback import for_layer, resolved
from flowfa.torch_layers.layers import FEEDBACK_CLASSES, with_feedback

# Their weights act elementwise, or no signal goes back through them.
HARMLESS = (nn.LayerNorm, nn.RMSNorm, nn.Embedding, nn.EmbeddingBag)


def convert(
    module: nn.Module, rule: str | Rule, *, seed: int = 0, example: Tensor | None = None
) -> nn.Module:
    """Return a copy of a torch model whose linear layers and 2d convolutions use feedback.

    The copy computes the same outputs; its ``backward()`` leaves in ``.grad`` the update G of the
    rule instead of the gradient, so that any optimizer, schedule or training loop works. The
    first layer's feedback is never used unless the inputs require gradients. All other modules
    (activations, pooling, normalisation) pass the signal by their true derivative.

    Parameters
    ----------
    module : torch.nn.Module
        Is not changed. A layer that is used in several places stays one layer.
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
        its name and why.
    """
    found, redrawn = resolved(rule)
    _check(module)
    direct = found.feedback_from == "output"
    if direct and type(module) is not nn.Sequential:
        raise InputError(
            f"the rule {found.name!r} is for torch.nn.Sequential, not for "
            f"{type(module).__name__}: direct feedback needs to know which layer follows which"
        )
    model = copy.deepcopy(module)
    if direct:
        assert isinstance(model, nn.Sequential)
        return direct_feedback(model, found, seed, example)
    made: dict[int, nn.Module] = {}

    def replacement(name: str, layer: nn.Module) -> nn.Module:
        if id(layer) not in made:
            assert isinstance(layer, nn.Linear | nn.Conv2d)
            made[id(layer)] = with_feedback(
                layer, for_layer(found, redrawn, seed, name, layer.weight)
            )
        return made[id(layer)]

    if type(model) in FEEDBACK_CLASSES:
        return replacement("", model)
    for prefix, parent in model.named_modules():
        for key, child in parent._modules.items():
            if child is not None and type(child) in FEEDBACK_CLASSES:
                parent._modules[key] = replacement(f"{prefix}.{key}".lstrip("."), child)
    return model


def _check(module: nn.Module) -> None:
    """Refuse models that would not learn by the rule everywhere."""
    owners: dict[int, str] = {}
    layers = 0
    for name, layer in module.named_modules():
        title = f"{name or 'the module'} ({type(layer).__name__})"
        if isinstance(layer, (*FEEDBACK_CLASSES.values(), DirectFeedbackSequential)):
            raise InputError(f"{title} has feedback already: convert the original model")
        if type(layer) not in FEEDBACK_CLASSES:
            _check_other(title, layer)
            continue
        layers += 1
        if parametrize.is_parametrized(layer) or "weight" not in layer._parameters:
            raise InputError(
                f"{title} computes its weight from other parameters, whose feedback is not "
                "defined: remove the parametrisation, or leave the layer out of the model"
            )
        weight = layer._parameters["weight"]
        if weight is None or isinstance(weight, nn.parameter.UninitializedParameter):
            raise InputError(f"{title} has no weight yet: run the model once before")
        if id(weight) in owners:
            raise InputError(
                f"{title} shares its weight with {owners[id(weight)]}: which feedback the two have "
                "is not defined; give each a weight of its own"
            )
        owners[id(weight)] = title
    for name, other in module.named_modules():
        if type(other) not in FEEDBACK_CLASSES:
            for key, parameter in other.named_parameters(recurse=False):
                if id(parameter) in owners:
                    raise InputError(
                        f"{name or 'the module'} uses the weight of {owners[id(parameter)]} as "
                        f"its {key}: a signal through it would not be the rule's"
                    )
    if not layers:
        raise InputError(
            f"{type(module).__name__} has no layer to convert: expected torch.nn.Linear or "
            "torch.nn.Conv2d in it"
        )


def _check_other(title: str, layer: nn.Module) -> None:
    if isinstance(layer, tuple(FEEDBACK_CLASSES)):
        raise InputError(
            f"{title} is a subclass with a forward pass of its own: only torch.nn.Linear and "
            "torch.nn.Conv2d themselves are converted"
        )
    if isinstance(layer, HARMLESS):
        return
    if isinstance(layer, torch.jit.ScriptModule):
        raise InputError(f"{title} is compiled by TorchScript: convert the model before")
    for key, parameter in layer.named_parameters(recurse=False):
        if isinstance(parameter, nn.parameter.UninitializedParameter) or parameter.ndim > 1:
            raise InputError(
                f"{title} has the weight {key}, through which the signal would go back by its "
                "transpose: only torch.nn.Linear and torch.nn.Conv2d can have feedback"
            )

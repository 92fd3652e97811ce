"""Where the channels of a layer are in the weights of the layer that follows it.

C-4 is about the out-weights of each channel, so it needs to know what the next layer reads: the
same channels, or after a flattening all positions of each. Other models are refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from flowfa.errors import InputError
from flowfa.torch_layers.direct import DirectFeedbackSequential, is_layer

PLAIN_FORWARD = (nn.Sequential.forward, DirectFeedbackSequential.forward)

WITH_PLANES = (
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.Dropout2d,
    nn.ZeroPad2d,
    nn.BatchNorm2d,
)
"""Modules that take the last two dimensions of their input for height and width."""


def check_sequence(model: nn.Sequential, flat: Sequence[tuple[str, nn.Module]]) -> None:
    """Refuse models whose modules do not just follow one another, and layers used twice.

    Parameters
    ----------
    model : torch.nn.Sequential
    flat : sequence of (str, Module)
        Its modules in the order in which they are applied.

    Raises
    ------
    InputError
        The name of what does not fit, and why.
    """
    for name, submodule in model.named_modules():
        plain = not isinstance(submodule, nn.Sequential) or type(submodule).forward in PLAIN_FORWARD
        if not plain or "forward" in submodule.__dict__:
            raise InputError(
                f"{name or 'the model'} ({type(submodule).__name__}) has a forward pass of its "
                "own, in which C-4 need not hold (a residual stream has C-7): expected "
                "torch.nn.Sequential of plain modules"
            )
    seen: dict[int, str] = {}
    for name, module in flat:
        if is_layer(module) and id(module) in seen:
            raise InputError(
                f"{seen[id(module)]} and {name} are one layer, used twice: C-4 is about layers "
                "that are used once"
            )
        seen[id(module)] = name


def check_layout(flat: Sequence[tuple[str, nn.Module]]) -> None:
    """Refuse neighbouring layers of which the second does not read the channels of the first.

    Parameters
    ----------
    flat : sequence of (str, Module)
        The first layer, what stands between, the second.

    Raises
    ------
    InputError
        The names of both, and why.
    """
    (name, layer), *between, (next_name, following) = flat
    modules = [module for _, module in between]
    flattens = [module for module in modules if isinstance(module, nn.Flatten)]
    flattens_all = all((module.start_dim, module.end_dim) == (1, -1) for module in flattens)
    if isinstance(layer, nn.Conv2d) and isinstance(following, nn.Conv2d):
        fits = not flattens and following.in_channels == layer.out_channels
    elif isinstance(layer, nn.Conv2d) and isinstance(following, nn.Linear):
        first = next((at for at, module in enumerate(modules) if module in flattens), len(modules))
        fits = bool(flattens) and not following.in_features % layer.out_channels
        fits = fits and not any(isinstance(module, WITH_PLANES) for module in modules[first:])
    elif isinstance(layer, nn.Linear) and isinstance(following, nn.Linear):
        fits = following.in_features == layer.out_features
        fits = fits and not any(isinstance(module, WITH_PLANES) for module in modules)
    else:
        fits = False
    if not (fits and flattens_all):
        raise InputError(
            f"{next_name} ({_kind(following)}) is not known to read the channels of {name} "
            f"({_kind(layer)}) one by one: C-4 takes Conv2d to Conv2d, Linear to Linear of the "
            "same width, and Conv2d to Linear through Flatten() of all but the samples"
        )


def _kind(layer: nn.Module) -> str:
    return "Conv2d" if isinstance(layer, nn.Conv2d) else "Linear"

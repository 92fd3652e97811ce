"""Which torch models can be converted, as far as that shows before they run."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from flowfa.errors import InputError
from flowfa.torch_layers.direct import DirectFeedbackSequential
from flowfa.torch_layers.direct_pass import DirectConv2d, DirectLinear
from flowfa.torch_layers.layers import FEEDBACK_CLASSES

# Modules whose weights act elementwise, or through which no signal goes back.
HARMLESS = (nn.LayerNorm, nn.RMSNorm, nn.Embedding, nn.EmbeddingBag)

DIRECT = (DirectFeedbackSequential, DirectLinear, DirectConv2d)

PATCHED = "remove the attribute forward of the instance, and convert a plain layer"


def check_module(module: nn.Module, direct: bool) -> None:
    """Refuse models that would not learn by the rule everywhere.

    Parameters
    ----------
    module : torch.nn.Module
    direct : bool
        Whether feedback comes from the output (dfa).

    Raises
    ------
    InputError
        The name of what does not fit, and why.
    """
    owners: dict[int, str] = {}
    known = _with_weights(module)
    layers = 0
    for name, layer in module.named_modules():
        title = f"{name or 'the module'} ({type(layer).__name__})"
        if isinstance(layer, (*FEEDBACK_CLASSES.values(), *DIRECT)):
            raise InputError(f"{title} has feedback already: convert the original model")
        if type(layer) in FEEDBACK_CLASSES and "forward" in layer.__dict__:
            raise InputError(f"{title} has another forward pass than its class: {PATCHED}")
        _check_functions(title, layer, known)
        if type(layer) not in FEEDBACK_CLASSES:
            _check_other(title, layer)
            if direct and layer is module and "forward" in layer.__dict__:
                raise InputError(f"{title} has another forward pass than its class: {PATCHED}")
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
        if weight.is_meta:
            raise InputError(
                f"{title} is on the meta device and has no numbers: convert after to_empty() and "
                "its start, or after loading"
            )
        if weight.is_complex():
            raise InputError(
                f"{title} has complex weights: feedback rules are defined for real ones, so give "
                "real and imaginary parts layers of their own"
            )
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


def _with_weights(module: nn.Module) -> dict[int, str]:
    """Return by id the names of modules with layers to convert, and of those layers' weights."""
    known: dict[int, str] = {}
    for name, submodule in module.named_modules():
        if any(type(layer) in FEEDBACK_CLASSES for layer in submodule.modules()):
            known[id(submodule)] = name or type(submodule).__name__
        if type(submodule) in FEEDBACK_CLASSES:
            known |= {id(value): f"{name}.{key}" for key, value in submodule.named_parameters()}
    return known


def _check_functions(title: str, module: nn.Module, known: dict[int, str]) -> None:
    """Refuse functions in a module that refer to layers: a copy's are still the original's."""
    for key, value in module.__dict__.items():
        if key in ("_parameters", "_buffers", "_modules"):
            continue
        for function in _functions(value, set()):
            if isinstance(function, types.MethodType):
                raise InputError(
                    f"{title} holds the method forward of {type(function.__self__).__name__}, "
                    "which has that layer's plain backward pass: hold the layer and call it"
                )
            for referred in _closed_over(function, set()):
                if id(referred) in known:
                    raise InputError(
                        f"{title} holds the function {function.__name__}, which refers to "
                        f"{known[id(referred)]} itself: in a copy it would go on to use the "
                        "original's, so let it get the layer from its module"
                    )


def _functions(value: Any, seen: set[int]) -> Iterator[types.FunctionType | types.MethodType]:
    """Yield the functions in an attribute: alone, bound, partial, or in containers.

    A bound method is yielded as such if it is the forward pass of a layer to be converted.
    """
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, types.FunctionType):
        yield value
    elif isinstance(value, types.MethodType):
        layer: Any = type(value.__self__)
        if layer in FEEDBACK_CLASSES and value.__func__ is layer.forward:
            yield value
        yield from _functions(value.__func__, seen)
    elif isinstance(value, functools.partial):
        yield from _functions((value.func, value.args, value.keywords), seen)
    elif isinstance(value, dict):
        yield from _functions(list(value.values()), seen)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from _functions(item, seen)


def _closed_over(function: types.FunctionType, seen: set[int]) -> Iterator[Any]:
    """Yield what a function holds besides its arguments, which copying it does not copy."""
    held = [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]
    held += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    while held:
        value = held.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        yield value
        if isinstance(value, dict):
            held += value.values()
        elif isinstance(value, list | tuple | set):
            held += value
        elif isinstance(value, types.MethodType):
            held += [value.__self__, value.__func__]
        elif isinstance(value, functools.partial):
            held += [value.func, *value.args, *value.keywords.values()]
        elif isinstance(value, types.FunctionType):
            yield from _closed_over(value, seen)


def _filled(cell: types.CellType) -> bool:
    """Return whether a variable of a closure has a value yet."""
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True

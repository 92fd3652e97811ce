"""Which way backward signals will go, read from the autograd graph of a forward pass."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from flowfa.errors import InputError
from flowfa.torch_layers.layers import FEEDBACK_CLASSES, transformed

SIGNALS = ("LinearSignalBackward", "ConvolutionSignalBackward")
CASTS = ("ToCopyBackward0",)
"""Nodes that hand a weight on: casts by autocast."""


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in what a module took or returned."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for item in value:
            yield from tensors_in(item)


def edges(tensors: Iterable[Tensor], stop: Iterable[Any] = ()) -> Iterator[tuple[Any, Any]]:
    """Yield (node, node below) of the graph that leads from tensors down to leaves.

    Parameters
    ----------
    tensors : iterable of Tensor
    stop : iterable of nodes
        Nothing below them is looked at.
    """
    seen = set(stop)
    waiting = [t.grad_fn for t in tensors if t.grad_fn is not None and t.grad_fn not in seen]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        for below, _ in node.next_functions:
            if below is not None:
                yield node, below
                waiting.append(below)


def leaves(tensors: Iterable[Tensor], stop: Iterable[Any] = ()) -> set[int]:
    """Return the ids of the leaf tensors to which signals from `tensors` go."""
    tensors = list(tensors)
    below = [node.variable for _, node in edges(tensors, stop) if hasattr(node, "variable")]
    themselves = [t for t in tensors if t.requires_grad and t.grad_fn is None]
    return {id(tensor) for tensor in (*below, *themselves)}


class PassInspector:
    """Looks at forward passes with gradients of a converted model, as its hook.

    Signals may pass a weight outside of its layer (a forward pass that uses ``layer.weight``), or
    a layer of the model that was converted (a function that refers to it): neither shows before
    the model runs. The first pass in training mode is inspected, and the first in evaluation mode,
    because models have branches for both. That no layer came into the model after it was converted
    is looked at in every pass.

    Parameters
    ----------
    original : torch.nn.Module
        The model before it was copied.
    """

    def __init__(self, original: nn.Module) -> None:
        self._original = [
            weakref.ref(layer.weight)
            for layer in original.modules()
            if type(layer) in FEEDBACK_CLASSES
        ]
        self._inspected: set[bool] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        # Weak references cannot be stored; a stored model has no original beside it.
        return (PassInspector, (nn.Module(),))

    def __call__(self, model: nn.Module, inputs: Any, outputs: Any) -> None:
        """Inspect the graph of `outputs`, once in each mode.

        Raises
        ------
        InputError
            If a signal goes past the feedback: where.
        """
        if transformed() or torch.compiler.is_compiling():
            return
        ends = [tensor for tensor in tensors_in(outputs) if tensor.requires_grad]
        if not ends:
            return
        for name, layer in model.named_modules():
            if type(layer) in FEEDBACK_CLASSES:
                raise InputError(
                    f"{name} ({type(layer).__name__}) came into the model after it was converted: "
                    "convert it anew"
                )
        if model.training not in self._inspected:
            starts = [t.grad_fn for t in tensors_in(inputs) if t.grad_fn is not None]
            self._inspect(model, ends, starts)
            self._inspected.add(model.training)

    def _inspect(self, model: nn.Module, ends: list[Tensor], starts: list[Any]) -> None:
        names = {
            id(layer.weight): f"{name or 'the module'} ({type(layer).__name__})"
            for name, layer in model.named_modules()
            if isinstance(layer, tuple(FEEDBACK_CLASSES.values()))
        }
        foreign = {id(weight()) for weight in self._original if weight() is not None}
        users: dict[Any, list[Any]] = {}
        for node, below in edges(ends, starts):
            users.setdefault(below, []).append(node)
        for node in list(users):
            variable = getattr(node, "variable", None)
            if id(variable) in foreign and id(variable) not in names:
                raise InputError(
                    "the forward pass goes through layers of the model that was converted, not of "
                    "the copy: a function in it refers to them by name, so let it get them from "
                    "its module"
                )
            if id(variable) in names and not all(map(_is_signal, _past_casts(node, users))):
                raise InputError(
                    f"the forward pass uses the weight of {names[id(variable)]} outside of that "
                    "layer, where signals would go back by its transpose: call the layer instead"
                )


def _is_signal(node: Any) -> bool:
    return node.name() in SIGNALS


def _past_casts(node: Any, users: dict[Any, list[Any]]) -> Iterator[Any]:
    for user in users.get(node, ()):
        if user.name() in CASTS:
            yield from _past_casts(user, users)
        else:
            yield user

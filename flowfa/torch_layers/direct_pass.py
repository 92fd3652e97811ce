"""A forward pass of a model with direct feedback, as its layers see it.

Each layer runs its own forward pass on h_l cut off from the graph, and notes h_l; the last one
hands its output on through `DirectSignal`, whose backward pass sends D_l delta_L into each h_l.
The modules between the layers run as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from flowfa.errors import InputError
from flowfa.torch_layers.graph import leaves, tensors_in
from flowfa.torch_layers.layers import transformed
from flowfa.torch_layers.signal import DirectSignal

CHAIN = "direct feedback is defined for chains, in which each layer gets what the one before gave"


class DirectPass:
    """What the layers of a model with direct feedback share.

    Parameters
    ----------
    layers : list of torch.nn.Module
        In order.
    """

    def __init__(self, layers: list[nn.Module]) -> None:
        self.layers = layers
        self.checked = False
        self._matrices: list[Tensor] = []
        self._inputs: list[Tensor] | None = None
        self._sent: Any = None

    def take(self, layer: nn.Module, number: int) -> None:
        """Make a layer the one of this number, in place."""
        cls = DirectLinear if isinstance(layer, nn.Linear) else DirectConv2d
        # setattr: type checkers do not know that an object may change its class.
        for name, value in (("__class__", cls), ("shared", self), ("number", number)):
            setattr(layer, name, value)

    @contextmanager
    def begun(self, matrices: list[Tensor]) -> Iterator[None]:
        """Let the layers run a pass of the whole model, with D_1, ..., D_{L-1}."""
        self._matrices, self._inputs, self._sent = matrices, [], None
        try:
            yield
        finally:
            self._matrices, self._inputs, self._sent = [], None, None

    def arrived(self, number: int, input: Tensor) -> Tensor:
        """Note what a layer gets, and return it as the layer is to take it."""
        if not torch.is_grad_enabled():
            return input
        if self._inputs is None:
            raise InputError(
                f"layer {number} of a model with direct feedback runs outside of it, where there "
                "is no output whose signal it could get: run the whole model, or a part of it "
                "under torch.no_grad()"
            )
        if len(self._inputs) != number - 1:
            raise InputError(
                f"layer {number} of {len(self.layers)} runs as number {len(self._inputs) + 1}: "
                f"{CHAIN}"
            )
        self._inputs.append(input)
        # No signal goes back this way, because earlier layers learn from their own direct signals.
        return input if number == 1 else input.detach()

    def left(self, number: int, output: Tensor) -> Tensor:
        """Connect the last layer's output with all h_l."""
        if self._inputs is None or number < len(self.layers) or not torch.is_grad_enabled():
            return output
        hidden = self._inputs[1:]
        if not hidden:
            return output
        self._check_sizes(hidden, output)
        if not (self.checked or transformed()):
            self._check_chain(hidden)
        # Under autocast the output has fewer digits than the feedback.
        matrices = (matrix.to(output.dtype) for matrix in self._matrices)
        sent = cast(Tensor, DirectSignal.apply(output, len(hidden), *hidden, *matrices))
        self._sent = sent.grad_fn
        return sent

    def check_end(self, model: nn.Module, output: Any) -> None:
        """Refuse, at the first pass, a graph by which the output reaches a layer in another way."""
        assert self._inputs is not None
        if len(self._inputs) != len(self.layers):
            raise InputError(
                f"the model ran {len(self._inputs)} of its {len(self.layers)} layers: {CHAIN}"
            )
        if self.checked or transformed() or len(self.layers) == 1:
            return
        for name, module in model.named_modules():
            if isinstance(module, nn.Linear | nn.Conv2d) and module not in self.layers:
                raise InputError(
                    f"{name} ({type(module).__name__}) came into the model after it was converted: "
                    "convert it anew"
                )
        stop = [] if self._sent is None else [self._sent]
        if leaves(tensors_in(output), stop) & self._parameters(self.layers):
            raise InputError(f"the output is not only a function of the last layer's: {CHAIN}")
        self.checked = True

    def _check_sizes(self, hidden: list[Tensor], output: Tensor) -> None:
        # A single sample has no dimension for samples.
        leading = min(output.ndim - 1, 1)
        for layer, (h, matrix) in enumerate(zip(hidden, self._matrices, strict=True), start=1):
            size, classes = math.prod(h.shape[leading:]), tuple(output.shape[leading:])
            if (size, *classes) != tuple(matrix.shape) or h.shape[:leading] != output.shape[
                :leading
            ]:
                raise InputError(
                    f"hidden layer {layer} has {size} activations a sample and the output shape "
                    f"{classes}, but feedback_{layer} is {tuple(matrix.shape)}: convert with an "
                    "example of the inputs"
                )

    def _check_chain(self, hidden: list[Tensor]) -> None:
        for number, h in enumerate(hidden, start=1):
            others = [layer for layer in self.layers if layer is not self.layers[number - 1]]
            if leaves([h]) & self._parameters(others):
                raise InputError(
                    f"layer {number + 1} gets more than a function of what layer {number} gave: "
                    f"{CHAIN}"
                )

    @staticmethod
    def _parameters(layers: list[nn.Module]) -> set[int]:
        return {id(parameter) for layer in layers for parameter in layer.parameters(recurse=False)}


class DirectLinear(nn.Linear):
    """A linear layer in a model with direct feedback."""

    shared: DirectPass
    number: int

    def forward(self, input: Tensor) -> Tensor:
        """Return h W^T + c, (..., out)."""
        output = super().forward(self.shared.arrived(self.number, input))
        return self.shared.left(self.number, output)


class DirectConv2d(nn.Conv2d):
    """A 2d convolution in a model with direct feedback; it is never the last layer."""

    shared: DirectPass
    number: int

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution."""
        return super().forward(self.shared.arrived(self.number, input))

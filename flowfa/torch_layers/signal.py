"""Linear maps and convolutions whose backward signal passes through given feedback.

In feedback alignment of layer l the signal *through* layer l is B_l delta_l instead of
W_l^T delta_l; the gradient of W_l is the usual one (docs/theory/statements.md, model).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from flowfa.errors import InputError

FORWARD_MODE = (
    "forward-mode derivatives (jvp, jacfwd, hessian) are not defined for a feedback rule, which "
    "replaces the backward pass: use backward(), torch.autograd.grad or torch.func.grad"
)
SECOND = (
    "gradients of gradients are not defined for a feedback rule, whose updates are the gradient of "
    "nothing: differentiate once"
)


class _Once(Function):
    """What a backward pass computes, with vmap and without a derivative."""

    generate_vmap_rule = True

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep nothing: there is no derivative."""

    @staticmethod
    def backward(ctx: Any, *signals: Any) -> Any:
        """Refuse second derivatives."""
        raise InputError(SECOND)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Refuse forward mode, also over a backward pass."""
        raise InputError(FORWARD_MODE)


class _LinearUpdates(_Once):
    """The signal into h and the gradients of W and c; what is not wanted is empty."""

    @staticmethod
    def forward(
        delta: Tensor, inputs: Tensor, feedback: Tensor, wanted: tuple[bool, ...]
    ) -> tuple[Tensor, ...]:
        """Return them, in this order."""
        rows = delta.flatten(0, -2) if delta.ndim > 1 else delta[None]
        below = inputs.flatten(0, -2) if inputs.ndim > 1 else inputs[None]
        into, of_weight, of_bias = wanted
        nothing = delta.new_empty(0)
        return (
            delta @ feedback if into else nothing,
            rows.T @ below if of_weight else nothing.clone(),
            rows.sum(0) if of_bias else nothing.clone(),
        )


class LinearSignal(Function):
    """h W^T + c forward; backward, delta reaches h through `feedback`, laid out as W."""

    generate_vmap_rule = True

    @staticmethod
    def forward(inputs: Tensor, weight: Tensor, bias: Tensor | None, feedback: Tensor) -> Tensor:
        """Return h W^T + c, (..., out)."""
        return torch.nn.functional.linear(inputs, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep h and the feedback."""
        h, _, _, feedback = inputs
        ctx.save_for_backward(h, feedback)

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> tuple[Tensor | None, ...]:
        """Return the signal into h, and the usual gradients of W and c."""
        wanted = tuple(ctx.needs_input_grad[:3])
        updates = _LinearUpdates.apply(signals[0], *ctx.saved_tensors, wanted)
        return (*_only(updates, wanted), None)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Refuse forward mode."""
        raise InputError(FORWARD_MODE)


class _ConvolutionUpdates(_Once):
    """As `_LinearUpdates`, of a convolution."""

    @staticmethod
    def forward(
        delta: Tensor,
        inputs: Tensor,
        feedback: Tensor,
        wanted: tuple[bool, ...],
        geometry: tuple[Any, ...],
    ) -> tuple[Tensor, ...]:
        """Return them, in this order."""
        stride, padding, dilation, groups = geometry
        # The gradient of a kernel depends on h and delta alone, so that one call with the feedback
        # in the kernel's place gives the feedback's signal and the usual gradients.
        gradients = torch.ops.aten.convolution_backward(
            delta,
            inputs,
            feedback,
            [feedback.shape[0]] if wanted[2] else None,
            stride,
            padding,
            dilation,
            False,
            [0, 0],
            groups,
            list(wanted),
        )
        return tuple(delta.new_empty(0) if value is None else value for value in gradients)


class ConvolutionSignal(Function):
    """A 2d convolution; backward, delta reaches h through the kernels `feedback`, laid out as W."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        inputs: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        feedback: Tensor,
        stride: tuple[int, ...],
        padding: tuple[int, ...],
        dilation: tuple[int, ...],
        groups: int,
    ) -> Tensor:
        """Return the convolution, (sample, out, height, width)."""
        return torch.nn.functional.conv2d(inputs, weight, bias, stride, padding, dilation, groups)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep h, the feedback and the geometry."""
        h, _, _, feedback, *geometry = inputs
        ctx.save_for_backward(h, feedback)
        ctx.geometry = tuple(geometry)

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> tuple[Tensor | None, ...]:
        """Return the signal into h, and the usual gradients of W and c."""
        wanted = tuple(ctx.needs_input_grad[:3])
        updates = _ConvolutionUpdates.apply(signals[0], *ctx.saved_tensors, wanted, ctx.geometry)
        return (*_only(updates, wanted), None, None, None, None, None)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Refuse forward mode."""
        raise InputError(FORWARD_MODE)


class _DirectUpdates(_Once):
    """delta_L, and D_l delta_L for each hidden layer."""

    @staticmethod
    def forward(
        delta: Tensor, shapes: tuple[torch.Size, ...], *matrices: Tensor
    ) -> tuple[Tensor, ...]:
        """Return them, the latter in the shapes of h_l."""
        pairs = zip(shapes, matrices, strict=True)
        direct = ((delta @ matrix.T).reshape(shape) for shape, matrix in pairs)
        return (delta.clone(), *direct)


class DirectSignal(Function):
    """Passes the last preactivations on; backward, each hidden layer gets D_l delta_L (dfa)."""

    generate_vmap_rule = True

    @staticmethod
    def forward(output: Tensor, count: int, *tensors: Tensor) -> Tensor:
        """Return `output`, (sample, n_L); `tensors` are all h_l, then all D_l, l < L."""
        # A copy, because autograd forbids to change a view that is returned here in place.
        return output.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep D_l and the shapes of h_l."""
        _, count, *tensors = inputs
        ctx.shapes = tuple(h.shape for h in tensors[:count])
        ctx.save_for_backward(*tensors[count:])

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> tuple[Tensor | None, ...]:
        """Return delta_L for the output and D_l delta_L, in the shape of h_l, for the others."""
        delta, *direct = _DirectUpdates.apply(signals[0], ctx.shapes, *ctx.saved_tensors)
        return (delta, None, *direct, *(None for _ in direct))

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Refuse forward mode."""
        raise InputError(FORWARD_MODE)


def _only(values: tuple[Tensor, ...], wanted: tuple[bool, ...]) -> tuple[Tensor | None, ...]:
    pairs = zip(values, wanted, strict=True)
    return tuple(value if asked else None for value, asked in pairs)

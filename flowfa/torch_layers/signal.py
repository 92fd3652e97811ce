"""Linear maps and convolutions whose backward signal passes through given feedback.

In feedback alignment of layer l the signal *through* layer l is B_l delta_l instead of
W_l^T delta_l; the gradient of W_l is the usual one (docs/theory.md, model).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class LinearSignal(torch.autograd.Function):
    """h W^T + c forward; backward, delta reaches h through `feedback`, laid out as W."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None, feedback: Tensor
    ) -> Tensor:
        """Return h W^T + c, (..., out)."""
        ctx.save_for_backward(inputs, feedback)
        return torch.nn.functional.linear(inputs, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *signals: Tensor) -> tuple[Tensor | None, ...]:
        """Return the signal into h, and the usual gradients of W and c."""
        inputs, feedback = ctx.saved_tensors
        (delta,) = signals
        into = delta @ feedback if ctx.needs_input_grad[0] else None
        rows = delta.reshape(-1, delta.shape[-1])
        of_weight = of_bias = None
        if ctx.needs_input_grad[1]:
            of_weight = rows.T @ inputs.reshape(-1, inputs.shape[-1])
        if ctx.needs_input_grad[2]:
            of_bias = rows.sum(0)
        return into, of_weight, of_bias, None


class ConvolutionSignal(torch.autograd.Function):
    """A 2d convolution; backward, delta reaches h through the kernels `feedback`, laid out as W."""

    @staticmethod
    def forward(
        ctx: Any,
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
        ctx.save_for_backward(inputs, feedback)
        ctx.geometry = (stride, padding, dilation, groups)
        return torch.nn.functional.conv2d(inputs, weight, bias, *ctx.geometry)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *signals: Tensor) -> tuple[Tensor | None, ...]:
        """Return the signal into h, and the usual gradients of W and c."""
        inputs, feedback = ctx.saved_tensors
        (delta,) = signals
        stride, padding, dilation, groups = ctx.geometry
        # The gradient of a kernel depends on h and delta alone, so that one call with the feedback
        # in the kernel's place gives the feedback's signal and the usual gradients.
        into, of_weight, of_bias = torch.ops.aten.convolution_backward(
            delta,
            inputs,
            feedback,
            [feedback.shape[0]] if ctx.needs_input_grad[2] else None,
            stride,
            padding,
            dilation,
            False,
            [0, 0],
            groups,
            list(ctx.needs_input_grad[:3]),
        )
        return into, of_weight, of_bias, None, None, None, None, None


class DirectSignal(torch.autograd.Function):
    """Passes the last preactivations on; backward, each hidden layer gets D_l delta_L (dfa)."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, count: int, *tensors: Tensor) -> Tensor:
        """Return `output`, (sample, n_L); `tensors` are all h_l, then all D_l, l < L."""
        hidden, matrices = tensors[:count], tensors[count:]
        ctx.shapes = [h.shape for h in hidden]
        ctx.save_for_backward(*matrices)
        # A copy: autograd lets nobody change a view from here in place.
        return output.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *signals: Tensor) -> tuple[Tensor | None, ...]:
        """Return delta_L for the output and D_l delta_L, in the shape of h_l, for the others."""
        (delta,) = signals
        direct = [
            (delta @ matrix.T).reshape(shape)
            for matrix, shape in zip(ctx.saved_tensors, ctx.shapes, strict=True)
        ]
        return (delta, None, *direct, *(None for _ in direct))

"""Updates of one network by torch's autograd, written without flowfa's field."""

from __future__ import annotations

import torch
from torch import Tensor


class FeedbackLinear(torch.autograd.Function):
    """h W^T + c forward; backward carries delta through B instead of W^T."""

    @staticmethod
    def forward(ctx, h: Tensor, weight: Tensor, bias: Tensor, feedback: Tensor) -> Tensor:
        ctx.save_for_backward(h, feedback)
        return h @ weight.T + bias

    @staticmethod
    def backward(ctx, delta: Tensor):
        h, feedback = ctx.saved_tensors
        return delta @ feedback.T, delta.T @ h, delta.sum(0), None


def mean_loss(name: str, output: Tensor, y: Tensor) -> Tensor:
    """Return the training loss from torch's own building blocks; output is (sample, K)."""
    if name == "exponential":
        return torch.exp(-y * output[:, 0]).mean()
    if name == "logistic":
        return torch.nn.functional.soft_margin_loss(output[:, 0], y)
    if name == "cross-entropy":
        return torch.nn.functional.cross_entropy(output, y.long())
    return 0.5 * torch.nn.functional.mse_loss(output, y, reduction="sum") / len(y)


def updates(
    name: str,
    X: Tensor,
    y: Tensor,
    weights: list[Tensor],
    biases: list[Tensor],
    leak: float,
    feedback: list[Tensor],
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the updates G of W_1..W_L and c_1..c_L; feedback B_2..B_L, W^T for gd."""
    weights = [w.clone().requires_grad_() for w in weights]
    biases = [c.clone().requires_grad_() for c in biases]
    h = X
    for layer, (w, c) in enumerate(zip(weights, biases, strict=True)):
        matrix = feedback[layer - 1] if layer else w.detach().T
        z = FeedbackLinear.apply(h, w, c, matrix)
        h = torch.nn.functional.leaky_relu(z, leak) if layer < len(weights) - 1 else z
    gradients = torch.autograd.grad(mean_loss(name, h, y), weights + biases)
    return list(gradients[: len(weights)]), list(gradients[len(weights) :])


def direct_updates(
    name: str,
    X: Tensor,
    y: Tensor,
    weights: list[Tensor],
    biases: list[Tensor],
    leak: float,
    direct: list[Tensor],
) -> tuple[list[Tensor], list[Tensor]]:
    """The same for direct feedback D_1..D_{L-1}: each layer sees D delta_L as its signal."""
    weights = [w.clone().requires_grad_() for w in weights]
    biases = [c.clone().requires_grad_() for c in biases]
    h, hidden = X, []
    for layer, (w, c) in enumerate(zip(weights, biases, strict=True)):
        z = h.detach() @ w.T + c
        h = torch.nn.functional.leaky_relu(z, leak) if layer < len(weights) - 1 else z
        hidden.append(h)
    (delta,) = torch.autograd.grad(mean_loss(name, h, y), h, retain_graph=True)
    by_layer = [
        torch.autograd.grad(out, [w, c], grad_outputs=signal)
        for out, w, c, signal in zip(
            hidden, weights, biases, [*(delta @ d.T for d in direct), delta], strict=True
        )
    ]
    return [g[0] for g in by_layer], [g[1] for g in by_layer]

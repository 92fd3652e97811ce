"""Observables of how outputs and loss depend on all weights: tangent kernel and sharpness."""

from __future__ import annotations

import torch
from torch import Tensor

from flowfa.flow.field import NetworkField
from flowfa.flow.measured import MeasuredState
from flowfa.flow.observable_registry import observable


def tangent_kernel(measured: MeasuredState) -> Tensor:
    """Return sum_p df_k/dtheta_p df_l/dtheta_p, (row, sample and output, the same).

    The derivative of the activation is that of the gradient, or the slope where a sample slides.
    """
    field, forward = measured.field, measured.forward
    rows, outputs, samples = forward.output.shape
    kernel = forward.output.new_zeros(rows, samples, outputs, samples, outputs)
    inputs = field.inputs if field.inputs.ndim == 3 else field.inputs.expand(rows, -1, -1)
    signals = torch.eye(outputs, dtype=kernel.dtype, device=kernel.device)
    # The derivative of each output by the preactivations of a layer, (row, n_l, output, sample).
    signal = signals[None, :, :, None].expand(rows, -1, -1, samples)
    for layer in range(field.layout.layers, 0, -1):
        below = forward.activations[layer - 2] if layer > 1 else inputs.transpose(1, 2)
        gram = torch.bmm(below.transpose(1, 2), below)
        if f"c{layer}" in field.layout.shapes:
            gram = gram + 1.0
        flat = signal.transpose(2, 3).flatten(2)
        products = torch.bmm(flat.transpose(1, 2), flat)
        products = products.view(rows, samples, outputs, samples, outputs)
        kernel = kernel + products * gram[:, :, None, :, None]
        if layer > 1:
            weight = measured.parameters[f"W{layer}"].transpose(1, 2)
            back = torch.bmm(weight, signal.flatten(2)).unflatten(2, (outputs, samples))
            signal = back * _slopes(measured, layer - 2)[:, :, None]
    return kernel.flatten(3).flatten(1, 2)


def _slopes(measured: MeasuredState, index: int) -> Tensor:
    """Return the derivatives of the activation in a hidden layer, (row, neuron, sample)."""
    forward, activation = measured.forward, measured.field.activation
    if forward.slopes and activation.slope_is_derivative:
        return forward.slopes[index]
    return activation.derivative(forward.preactivations[index])


@observable(
    "kernel-eigenvalues",
    per="sample",
    title="largest eigenvalues of the tangent kernel, from the largest",
)
def kernel_eigenvalues(measured: MeasuredState) -> Tensor:
    """Return as many of the largest eigenvalues of the tangent kernel as there are samples.

    With one output these are all.
    """
    kernel = tangent_kernel(measured)
    known = kernel.isfinite().flatten(1).all(1)[:, None]
    safe = torch.where(known[:, :, None], kernel, 0.0)
    values = torch.stack([torch.linalg.eigvalsh(matrix) for matrix in safe]).flip(1)
    return torch.where(known, values[:, : measured.field.samples], torch.nan)


@observable("kernel-alignment", unit="1", title="alignment of the tangent kernel with the targets")
def kernel_alignment(measured: MeasuredState) -> Tensor:
    """Return y^T K y / (||K||_F ||y||^2) with the targets y of all samples and outputs, (row,).

    References
    ----------
    N. Cristianini, J. Shawe-Taylor, A. Elisseeff, J. Kandola, On kernel-target alignment, NIPS
    2001.
    """
    kernel, targets = tangent_kernel(measured), measured.field.targets
    targets = targets if targets.ndim == 3 else targets.expand(len(kernel), -1, -1)
    y = targets.transpose(1, 2).flatten(1)
    product = (torch.bmm(kernel, y[:, :, None]).squeeze(2) * y).sum(1)
    return product / (kernel.square().sum((1, 2)).sqrt() * y.square().sum(1))


@observable("sharpness", title="largest eigenvalue of the Hessian of the loss")
def sharpness(measured: MeasuredState) -> Tensor:
    """Return the largest eigenvalue of the Hessian of the mean loss, (row,).

    Of all weights and biases, W_1 in the span of the data. Kinks count with the slopes beside
    them. It takes as many passes as there are parameters, and so is for small networks.
    """
    values = []
    for row, state in enumerate(measured.state):
        field = measured.field.select(torch.tensor([row], device=state.device))
        if bool(state.isfinite().all()):
            values.append(torch.linalg.eigvalsh(_hessian(field, state))[-1])
        else:
            values.append(state.new_tensor(torch.nan))
    return torch.stack(values)


def _hessian(field: NetworkField, state: Tensor) -> Tensor:
    """Return the Hessian of the mean loss of one network, (parameter, parameter)."""

    def loss(flat: Tensor) -> Tensor:
        return field.mean(field.loss.value(field.forward(flat[None]).output, field.targets)).sum()

    with torch.enable_grad():
        hessian = torch.autograd.functional.hessian(loss, state.detach().clone())
    assert isinstance(hessian, Tensor)
    return 0.5 * (hessian + hessian.T)

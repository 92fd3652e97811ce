"""Margins: how safely each sample is classified, and the worst one whatever the weights' size."""

from __future__ import annotations

import torch
from torch import Tensor

from flowfa.flow.measured import MeasuredState
from flowfa.flow.observable_registry import not_applicable, observable


@observable("normalised-margin", unit="1", title="least margin over the product of weight norms")
def normalised_margin(measured: MeasuredState) -> Tensor:
    """Return min_k m_k / prod_l ||W_l||_F^(p^(L-l)), (row,).

    m_k is y_k f_k for labels -1/+1 and f_y - max_{j != y} f_j for classes. p is the degree of the
    activation (C-6): a factor in W_l enters the output with the power p^(L-l), which for a
    (leaky) ReLU is 1, so that the quotient does not change when a layer is multiplied by a
    positive number. With biases or an activation without degree, and for targets that are no
    classes, there is no such number: NaN. ||W_1|| has the part outside the span of the data.

    References
    ----------
    K. Lyu, J. Li, Gradient descent maximizes the margin of homogeneous neural networks, ICLR 2020;
    the product of norms is that of P. Bartlett, D. Foster, M. Telgarsky, Spectrally-normalized
    margin bounds for neural networks, NeurIPS 2017, with Frobenius norms.
    """
    margins = _margins(measured.output, measured.field.targets)
    degree = measured.field.activation.degree
    biased = any(name.startswith("c") for name in measured.field.layout.shapes)
    if margins is None or degree is None or biased:
        return not_applicable(measured)
    layers = measured.field.layout.layers
    powers = [degree ** (layers - layer) for layer in range(1, layers + 1)]
    norms = measured.weight_norm2.sqrt()
    scale = torch.ones_like(norms[:, 0])
    for norm, power in zip(norms.unbind(1), powers, strict=True):
        # Powers are taken by exp and log: torch's pow rounds a row by the rows beside it.
        scale = scale * (norm if power == 1.0 else torch.exp(power * norm.log()))
    shares = measured.field.sample_shares
    if shares is not None:
        # A sample of weight 0 is as good as absent.
        margins = torch.where(shares > 0.0, margins, torch.inf)
    return margins.amin(1) / scale


@observable("sample-margin", per="sample", title="margin of each sample")
def sample_margin(measured: MeasuredState) -> Tensor:
    """Return m_k of each sample, (row, sample); NaN for targets that are no classes."""
    margins = _margins(measured.output, measured.field.targets)
    if margins is None:
        return measured.output[:, 0] * torch.nan
    return margins


def _margins(output: Tensor, target: Tensor) -> Tensor | None:
    """Return m_k, (row, sample); None if the targets are no classes."""
    if target.shape[-2] == 1:
        if not bool((target.abs() == 1.0).all()):
            return None
        return (target * output).squeeze(-2)
    indicator = ((target == 0.0) | (target == 1.0)).all() and (target.sum(-2) == 1.0).all()
    if not bool(indicator):
        return None
    others = output.masked_fill(target > 0.0, -torch.inf).amax(-2)
    return (output * target).sum(-2) - others

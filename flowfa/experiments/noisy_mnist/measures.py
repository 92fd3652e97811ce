"""The records of each network, and the ratios of Figure 2 that are computed from them."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from flowfa.flow.field import NetworkField
from flowfa.training.law import Terms

RECORDED = {
    "train_loss": "mean cross-entropy on the training images, noisy labels",
    "train_accuracy": "share of the noisy training labels that are given back",
    "memorised": "share of the replaced training labels that are given back",
    "test_loss": "mean cross-entropy on the clean test images",
    "test_accuracy": "share of the test images that are classified right",
    "norm_w1": "||W_1||_F",
    "norm_w2": "||W_2||_F",
    "dot": "<F, W_2>: forward and feedback weights, F = B_2^T, s sign(W_2), or W_2 under gd",
    "cosine": "cos(W_2, F)",
    "sign_bound": "1/sqrt(nnz W_2), P-1's bound on the cosine under signfa",
    "half_square": "1/2 ||W_1||^2",
    "outgoing": "g: <W_2, B_2^T>, s ||W_2||_1, or 1/2 ||W_2||^2 under gd",
    "conserved": "C = 1/2 ||W_1||^2 - g of the layer (C-3)",
    "step_share": "C(t) - C(0) as C-11 adds it up from the steps",
    "neuron_rest": "greatest |C_j(t) - C_j(0) - its C-11 prediction| / size of C_j's terms",
}
"""Variables of the result file, each (width, rule, run, epoch)."""

_FLOWS = (
    "train_loss",
    "train_accuracy",
    "test_loss",
    "test_accuracy",
    "cosine",
    "outgoing",
    "conserved",
    "neuron_rest",
)
RECORDED_OF_FLOW = {f"flow_{name}": name for name in _FLOWS}
"""Records of the flow from the same start at the time of each epoch, by the name in `RECORDED`.

Steps add nothing to the law there, so that ``flow_neuron_rest`` is its whole drift.
"""

OF_EACH_FLOW = {
    "flow_distance": "||theta_steps - theta_flow|| / ||theta_flow|| at the last epoch",
    "flow_error": "the solver's estimate of the relative error of the flow at its end",
}
"""Variables of the result file at the end of each flow, (width, rule, run)."""


def record(
    field: NetworkField,
    test: NetworkField,
    replaced: Tensor,
    state: Tensor,
    terms: Terms,
    start: Terms,
    predicted: Tensor,
) -> dict[str, np.ndarray]:
    """Measure all networks at one epoch.

    Parameters
    ----------
    field : NetworkField
        On the training images, one row for each row of `state`.
    test : NetworkField
        The same on the test images, which all rows share.
    replaced : Tensor
        True for images whose label was replaced, (row, image).
    state : Tensor
        (row, parameter).
    terms, start : Terms
        Terms of the law at `state` and at the start.
    predicted : Tensor
        The sum of C-11's changes since the start, (row, neuron).

    Returns
    -------
    dict
        `RECORDED`, each (row,), float64.
    """
    weights, feedback = terms.weights[0], terms.feedback[0]
    parameters = field.layout.views(state)
    losses, correct = _losses(field, state)
    # Scores that are NaN have a greatest class too, so that their accuracy must be masked.
    diverged = ~losses.mean(1).isfinite()
    on_test = [_losses(test.select(row), state[row]) for row in _rows(state)]
    norm, fed_norm, dot = _norm(weights), _norm(feedback), terms.fed.sum(1)
    rest = (terms.law - start.law - predicted).abs() / torch.maximum(terms.size, start.size)
    measured = {
        "train_loss": losses.mean(1),
        "train_accuracy": correct.double().mean(1),
        # Without replaced labels this is 0/0, NaN, and there is nothing to memorise.
        "memorised": (correct & replaced).sum(1).double() / replaced.sum(1).double(),
        "test_loss": torch.cat([losses.mean(1) for losses, _ in on_test]),
        "test_accuracy": torch.cat([correct.double().mean(1) for _, correct in on_test]),
        "norm_w1": _norm(parameters["W1"].double()),
        "norm_w2": norm,
        "dot": dot,
        "cosine": dot / (norm * fed_norm),
        "sign_bound": (weights != 0).sum((1, 2)).double().rsqrt(),
        "half_square": 0.5 * terms.incoming.sum(1),
        "outgoing": terms.outgoing.sum(1),
        "conserved": terms.law.sum(1),
        "step_share": predicted.sum(1),
        "neuron_rest": rest.amax(1),
    }
    for name in ("train_accuracy", "memorised", "test_accuracy"):
        measured[name] = measured[name].masked_fill(diverged, torch.nan)
    return {name: value.double().cpu().numpy() for name, value in measured.items()}


def ratio_errors(data: xr.Dataset, prefix: str = "") -> xr.Dataset:
    """Return R1 - 1 and R2 - 1, (width, rule, run, epoch), of the steps or of ``flow_``.

    R1 = [1/2 ||W_1(t)||^2 - 1/2 ||W_1(0)||^2] / [g(t) - g(0)], NaN at the start; R2 = C(t)/C(0).
    Both are [C(t) - C(0)] over g(t) - g(0) or C(0), which keeps their digits near one.
    """
    conserved, outgoing = data[f"{prefix}conserved"], data[f"{prefix}outgoing"]
    change = conserved - conserved.isel(epoch=0)
    fed = outgoing - outgoing.isel(epoch=0)
    return xr.Dataset(
        {
            "R1": change / fed.where(fed != 0.0),
            "R2": change / conserved.isel(epoch=0, drop=True),
        }
    ).transpose(*conserved.dims)


def rest_of_law(data: xr.Dataset) -> xr.DataArray:
    """Return what C-11 leaves unexplained of C(t) - C(0), (width, rule, run, epoch)."""
    change = data["conserved"] - data["conserved"].isel(epoch=0, drop=True)
    return change - data["step_share"]


def relative_rest(data: xr.Dataset) -> xr.DataArray:
    """Return the greatest |rest| over the greatest |C(t) - C(0)| of a run, (width, rule, run)."""
    change = data["conserved"] - data["conserved"].isel(epoch=0, drop=True)
    return abs(rest_of_law(data)).max("epoch") / abs(change).max("epoch")


def _losses(field: NetworkField, state: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss of each image and whether it is classified right, (row, image)."""
    output = field.forward(state).output
    correct = field.loss.correct(output, field.targets)
    assert correct is not None
    return field.loss.value(output, field.targets), correct


def _rows(state: Tensor) -> list[Tensor]:
    # Rows are evaluated one by one, because on all test images together they need much memory.
    return list(torch.arange(len(state), device=state.device).split(1))


def _norm(matrices: Tensor) -> Tensor:
    return matrices.flatten(1).norm(dim=1)

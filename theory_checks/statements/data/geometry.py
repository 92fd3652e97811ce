"""The geometry of the samples: as certified, and as measured again on what the flow trains on.

What is claimed comes from `flowfa.datasets.certify_each`, on the data as given. What it is held to
comes from the inputs and targets of the field that moves the networks, in the coordinates of their
span, where inner products are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from flowfa.datasets import Certificate, certify_each
from flowfa.flow.field import NetworkField
from flowfa.flow.network_flow import NetworkFlow
from theory_checks.evidence.evidence import Evidence
from theory_checks.margins.measurement import Hypothesis, Item, Measurement

Certifier = Callable[[NetworkFlow], tuple[Certificate, ...]]
"""Returns what is claimed of the data of each start, or of all in one certificate."""

_KNOWN: WeakKeyDictionary[NetworkFlow, tuple[Certificate, ...]] = WeakKeyDictionary()
"""Certificates of flows in use: their least squares take the time of many checks."""


def certified(flow: NetworkFlow) -> tuple[Certificate, ...]:
    """Return the certificates of a flow's data, from the library."""
    if flow not in _KNOWN:
        _KNOWN[flow] = certify_each(flow.problem.data)
    return _KNOWN[flow]


def claimed(
    evidence: Evidence, number: Callable[[Certificate], float | None], certifier: Certifier
) -> Tensor:
    """Return a number of the certificate of each trajectory's data, (trajectory,); NaN for None."""
    certificates = certifier(evidence.flow)
    found = []
    for row in evidence.rows.tolist():
        start = int(evidence.flow.starts[row]) if len(certificates) > 1 else 0
        value = number(certificates[start])
        found.append(float("nan") if value is None else float(value))
    return torch.tensor(found, dtype=torch.float64)


def lambda_of(found: Certificate) -> float | None:
    """Return lambda of D-1."""
    return found.lambda_


def bound_of(found: Certificate) -> float:
    """Return (R_min^2 - (n-1) rho)/n, the bound of D-3 under the weaker condition of D-2."""
    return (found.R_min**2 - (found.samples - 1) * found.rho) / found.samples


def paper_bound_of(found: Certificate) -> float:
    """Return (1 - 1/gamma) R_min^2/n, the bound of D-3 for gamma-nearly orthogonal data."""
    if found.gamma == 0.0:
        return -float("inf")
    return (1.0 - 1.0 / found.gamma) * found.R_min**2 / found.samples


@dataclass(frozen=True)
class Geometry:
    """Numbers of the samples that each trajectory trains on, all (trajectory,).

    Attributes
    ----------
    R_min, R_max, rho : Tensor
        As in the certificate.
    least_product : Tensor
        min_{k, l} y_k y_l <x_k, x_l> (D-1).
    primal : Tensor
        min_k <u, u_k> for a unit vector u, or 0: ghat, or 0 if that is greater, is not below it.
    dual : Tensor
        Norm of a convex combination of the u_k: ghat is not above it.
    """

    R_min: Tensor
    R_max: Tensor
    rho: Tensor
    least_product: Tensor
    primal: Tensor
    dual: Tensor


def geometry_of(evidence: Evidence) -> Geometry:
    """Measure the samples that each trajectory looked at trains on."""
    field = evidence.field
    shared = field.inputs.ndim == 2 and field.targets.ndim == 2
    sets = _sets(field, 1 if shared else len(evidence))
    numbers = torch.tensor(np.array([_numbers(X, y) for X, y in sets]))
    return Geometry(*numbers.expand(len(evidence), -1).unbind(1))


def products_of(evidence: Evidence) -> list[Tensor]:
    """Return the Gram matrix of the inputs of each trajectory, (sample, sample)."""
    inputs = evidence.field.inputs
    if inputs.ndim == 2:
        return [inputs @ inputs.T] * len(evidence)
    return [own @ own.T for own in inputs]


def _sets(field: NetworkField, number: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return inputs (sample, feature) and targets (sample,), of the first output, of each."""
    X, y = field.inputs, field.targets[..., 0, :]
    return [
        ((X if X.ndim == 2 else X[i]).numpy(), (y if y.ndim == 1 else y[i]).numpy())
        for i in range(number)
    ]


def _numbers(X: np.ndarray, y: np.ndarray) -> tuple[float, ...]:
    norms = np.linalg.norm(X, axis=1)
    if not np.isfinite(norms).all():
        return (float("nan"),) * 6
    gram = X @ X.T
    off = np.abs(gram[~np.eye(len(X), dtype=bool)])
    most = float(off.max(initial=0.0))
    if not np.isin(y, (-1.0, 1.0)).all():
        # Without such labels there are no u_k to speak of.
        return (norms.min(), norms.max(), most, *(float("nan"),) * 3)
    primal, dual = bracket(y[:, None] * X)
    least = float((y[:, None] * gram * y).min())
    return norms.min(), norms.max(), most, least, primal, dual


def bracket(signed: np.ndarray) -> tuple[float, float]:
    """Return a lower and an upper bound of the margin of u_k, (sample, feature).

    Weak duality makes both true whatever weights are found: for p in the simplex and a unit vector
    u, min_k <u, u_k> <= <u, sum p_k u_k> <= ||sum p_k u_k||.
    """
    scale = float(np.linalg.norm(signed, axis=1).max())
    if scale == 0.0:
        return 0.0, 0.0
    units = signed / scale
    system = np.concatenate([units.T, np.ones((1, len(units)))])
    share = nnls(system, np.eye(len(system))[-1], maxiter=50 * max(system.shape))[0]
    nearest = (share / share.sum()) @ units
    length = float(np.linalg.norm(nearest))
    if length == 0.0:
        return 0.0, 0.0
    primal = float((units @ (nearest / length)).min())
    return max(primal, 0.0) * scale, length * scale


def binary_labels(evidence: Evidence) -> Hypothesis:
    """Return the hypothesis that there are labels -1/+1."""
    other = float(evidence.flow.problem.data.label_kind != "binary")
    excess = torch.full((len(evidence),), other, dtype=torch.float64)
    return Hypothesis("binary-labels", "the labels are -1 and +1", excess)


def unless_positive(value: Tensor) -> Tensor:
    """Return the excess of the hypothesis value > 0, positive at 0 too."""
    return torch.where(value > 0.0, -value, (-value).clamp_min(torch.finfo(value.dtype).tiny))


def equal(evidence: Evidence, wrong: Tensor, allowed: Tensor, note: str) -> Measurement:
    """Measure that two numbers agree: a difference below `allowed` holds, above 3 times not."""
    return _at_start(evidence, 2.0 * allowed - wrong, allowed, note)


def not_below(evidence: Evidence, room: Tensor, allowed: Tensor, note: str) -> Measurement:
    """Measure room >= 0, which is attained by ordinary data: so -allowed still holds."""
    return _at_start(evidence, 2.0 * allowed + room, allowed, note)


def _at_start(evidence: Evidence, margin: Tensor, uncertainty: Tensor, note: str) -> Measurement:
    # Data that are all zero leave no room for rounding, and need none.
    tiny = torch.finfo(margin.dtype).tiny
    margin, uncertainty = margin + 2.0 * tiny, uncertainty + tiny

    def shaped(values: Tensor) -> Tensor:
        return values[:, None, None]

    return Measurement(
        shaped(margin),
        shaped(uncertainty),
        torch.zeros(len(margin), 1, 1, dtype=torch.float64),
        torch.zeros(len(margin), 1, 1, dtype=torch.float64),
        torch.ones(len(margin), 1, 1, dtype=torch.bool),
        (Item(),),
        note,
    )


def trained_on(flow: NetworkFlow, change: Callable[[Tensor], Tensor]) -> NetworkFlow:
    """Return the flow with other inputs in its field than its data, for negative controls."""
    flow.field = flow.field.replace(inputs=change(flow.field.inputs.clone()))
    return flow

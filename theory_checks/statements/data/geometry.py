"""The geometry of the samples: as certified, and as measured again on what the flow trains on.

What is claimed comes from `flowfa.datasets.certify_each`, on the data as given. What it is held to
comes from the inputs and targets of the field that moves the networks, in the coordinates of their
span, where inner products are the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from flowfa.datasets import Certificate, certify_each
from flowfa.datasets.exact import products
from flowfa.errors import InputError
from flowfa.flow.field import NetworkField
from flowfa.flow.network_flow import NetworkFlow
from theory_checks.evidence.evidence import Evidence
from theory_checks.margins.bounds import ROUNDING
from theory_checks.margins.measurement import Hypothesis, Item, Measurement

Certifier = Callable[[NetworkFlow], tuple[Certificate, ...]]
"""Returns what is claimed of the data of each start, or of all in one certificate."""

CANCELLED = 1e-14
"""Share of the terms of a combination of samples that rounding may leave where they cancel."""

REFINEMENTS = 4

BLURRED = 0.01
"""Share of a claimed number above which what counts as equal says nothing of it."""

CERTIFICATE_READING = (
    "margin: twice the uncertainty (rounding, and what the duality gap leaves open), minus the "
    "difference of certified and own numbers, or plus the room of the bound"
)
"""What margin and uncertainty mean in D-1 and D-2."""

_KNOWN: WeakKeyDictionary[NetworkFlow, tuple[Certificate, ...]] = WeakKeyDictionary()
"""Certificates of flows in use, kept because computing them takes as long as many checks."""


def certified(flow: NetworkFlow) -> tuple[Certificate, ...]:
    """Return the certificates of a flow's data, from the library."""
    if flow not in _KNOWN:
        data = flow.problem.data
        try:
            _KNOWN[flow] = certify_each(data)
        except InputError:  # Sizes whose products leave float64: nothing is claimed of them.
            numbers = dict.fromkeys(("R_min", "R_max", "rho", "gamma", "spare"), math.nan)
            names = ("lambda_", "margin", "margin_dual", "duality_gap", "direction")
            unknown = Certificate(data.samples, data.dim, **numbers, **dict.fromkeys(names))
            _KNOWN[flow] = (unknown,)
    return _KNOWN[flow]


def claimed(
    evidence: Evidence, number: Callable[[Certificate], float | None], certifier: Certifier
) -> Tensor:
    """Return a number of the certificate of each trajectory's data, (trajectory,); NaN for None."""
    certificates = certifier(evidence.flow)
    numbers = []
    for row in evidence.rows.tolist():
        start = int(evidence.flow.starts[row]) if len(certificates) > 1 else 0
        value = number(certificates[start])
        numbers.append(float("nan") if value is None else float(value))
    return torch.tensor(numbers, dtype=torch.float64)


def lambda_of(certificate: Certificate) -> float | None:
    """Return lambda of D-1."""
    return certificate.lambda_


def bound_of(certificate: Certificate) -> float:
    """Return (R_min^2 - (n-1) rho)/n, the bound of D-3 under the weaker condition of D-2."""
    return (
        certificate.R_min**2 - (certificate.samples - 1) * certificate.rho
    ) / certificate.samples


def paper_bound_of(certificate: Certificate) -> float:
    """Return (1 - 1/gamma) R_min^2/n, the bound of D-3 for gamma-nearly orthogonal data."""
    if certificate.gamma == 0.0:
        return -float("inf")
    return (1.0 - 1.0 / certificate.gamma) * certificate.R_min**2 / certificate.samples


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
    cancelled : Tensor
        What rounding may make up of `dual`, as inputs come.
    turned : Tensor
        1 where the inputs were rounded to coordinates of their span, else 0.
    """

    R_min: Tensor
    R_max: Tensor
    rho: Tensor
    least_product: Tensor
    primal: Tensor
    dual: Tensor
    cancelled: Tensor
    turned: Tensor

    def rounding_of(self, product: Tensor) -> Tensor:
        """Return what rounding may make up of an inner product of samples."""
        return ROUNDING * torch.where(self.turned > 0.0, self.R_max.square(), product.abs())

    @property
    def gap_of_square(self) -> Tensor:
        """The difference of upper and lower bound of ghat^2, (trajectory,)."""
        return (self.dual.square() - self.primal.square()).clamp_min(0.0)


def geometry_of(evidence: Evidence) -> Geometry:
    """Measure the samples that each trajectory looked at trains on."""
    field = evidence.field
    # Coordinates in the span of the data are rounded, in units of the longest sample.
    turned = float(evidence.flow.span.reduced)
    shared = field.inputs.ndim == 2 and field.targets.ndim == 2
    sets = _sets(field, 1 if shared else len(evidence))
    numbers = torch.tensor(np.array([_numbers(X, y, turned) for X, y in sets]))
    return Geometry(*numbers.expand(len(evidence), -1).unbind(1))


def products_of(evidence: Evidence) -> list[Tensor]:
    """Return the Gram matrix of the inputs of each trajectory, (sample, sample)."""
    inputs = evidence.field.inputs

    def of(samples: Tensor) -> Tensor:
        array = samples.cpu().numpy()
        if not np.isfinite(array).all():
            return samples @ samples.T
        return torch.from_numpy(products(array, array))

    if inputs.ndim == 2:
        return [of(inputs)] * len(evidence)
    return [of(samples) for samples in inputs]


def _sets(field: NetworkField, number: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return inputs (sample, feature) and targets (sample,), of the first output, of each."""
    X, y = field.inputs, field.targets[..., 0, :]
    return [
        ((X if X.ndim == 2 else X[i]).numpy(), (y if y.ndim == 1 else y[i]).numpy())
        for i in range(number)
    ]


def _numbers(X: np.ndarray, y: np.ndarray, turned: float) -> tuple[float, ...]:
    if not np.isfinite(X).all():
        return (float("nan"),) * 8
    gram = products(X, X)
    norms = np.sqrt(gram.diagonal())
    off = np.abs(gram[~np.eye(len(X), dtype=bool)])
    most = float(off.max(initial=0.0))
    if not np.isin(y, (-1.0, 1.0)).all():
        # u_k = y_k x_k is defined for labels -1 and +1 only.
        return (norms.min(), norms.max(), most, *(float("nan"),) * 4, turned)
    primal, dual, rounding = bracket(y[:, None] * X)
    least = float((y[:, None] * gram * y).min())
    return norms.min(), norms.max(), most, least, primal, dual, rounding, turned


def bracket(signed: np.ndarray) -> tuple[float, float, float]:
    """Return a lower and an upper bound of the margin of u_k, (sample, feature).

    Weak duality makes both true whatever weights are found: for p in the simplex and a unit vector
    u, min_k <u, u_k> <= <u, sum p_k u_k> <= ||sum p_k u_k||. With it comes what the upper bound
    may miss where the terms of its sum cancel.
    """
    scale = float(np.abs(signed).max())
    if scale == 0.0:
        return 0.0, 0.0, 0.0
    units = signed / scale
    system = np.concatenate([units.T, np.ones((1, len(units)))])
    try:
        share = nnls(system, np.eye(len(system))[-1], maxiter=50 * max(system.shape))[0]
    except RuntimeError:  # Its steps are used up: what is known is the shortest u_k.
        return 0.0, float(np.linalg.norm(signed, axis=1).min()), 0.0
    share = np.where(share > 1e-60, share, 0.0) / share.sum()
    nearest = products(share[None], units.T)[0]
    dual = float(np.linalg.norm(nearest)) * scale
    rounding = CANCELLED * float(np.linalg.norm(share @ np.abs(signed)))
    if dual == 0.0:
        return 0.0, 0.0, rounding
    primal = max(_height(units, nearest), _height(units, _flat_direction(units[share > 0.0])))
    return max(primal, 0.0) * scale, dual, rounding


def _height(units: np.ndarray, direction: np.ndarray) -> float:
    """Return min_k <u, u_k> of the unit vector u along `direction`, (feature,)."""
    length = np.linalg.norm(direction)
    unit = direction / length if length else direction
    unit = np.where(np.abs(unit) > 1e-60, unit, 0.0)
    return float(products(units, unit[None]).min())


def _flat_direction(support: np.ndarray) -> np.ndarray:
    """Return the least v with <v, u_k> = 1 for the points of a support, (point, feature).

    It is the direction of the margin. Where a feature is in other units, <v, u_k> is a sum whose
    terms cancel: refinement with exact products finds the digits that a single solution misses.
    """
    solve = np.linalg.pinv(support)
    direction = solve.sum(1)
    for _ in range(REFINEMENTS):
        direction = direction + solve @ (1.0 - products(support, direction[None])[:, 0])
    return direction


def binary_labels(evidence: Evidence) -> Hypothesis:
    """Return the hypothesis that there are labels -1/+1."""
    binary = evidence.for_all(evidence.flow.problem.data.label_kind == "binary")
    return Hypothesis.of("binary-labels", "the labels are -1 and +1", binary)


def unless_below(rounding: Tensor, claim: Tensor) -> Tensor:
    """Return infinity where rounding is of the size of the claim, which leaves it open; else 0."""
    return torch.where(rounding > BLURRED * claim.abs(), torch.inf, 0.0)


def equal(
    evidence: Evidence, wrong: Tensor, allowed: Tensor, note: str, open_by: Tensor | float = 0.0
) -> Measurement:
    """Measure that two numbers agree: a difference below `allowed` holds, above 3 times not.

    What is not known of either, `open_by`, leaves that much in between.
    """
    return _at_start(evidence, 2.0 * allowed - wrong, allowed + open_by, note)


def not_below(evidence: Evidence, room: Tensor, allowed: Tensor, note: str) -> Measurement:
    """Measure room >= 0, which is attained by ordinary data: so -allowed still holds."""
    return _at_start(evidence, 2.0 * allowed + room, allowed, note)


def _at_start(evidence: Evidence, margin: Tensor, uncertainty: Tensor, note: str) -> Measurement:
    # The smallest number lets data that are all zero hold, whose rounding is zero too.
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

"""What data sets satisfy, with numbers that certify it: D-1, D-2, D-3."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from flowfa.datasets.dataset import Dataset
from flowfa.errors import InputError

GAP = 1e-9
"""Largest duality gap, in units of R_max, of a margin that counts as certified.

The non-negative least squares behind it are solved to rounding, about 1e-15 times the square root
of the condition number of the support; 1e-9 leaves room for a condition number of 1e12.
"""


@dataclass(frozen=True)
class Certificate:
    """The geometry of a data set.

    Attributes
    ----------
    samples, dim : int
        n and d.
    R_min, R_max : float
        Least and greatest ||x_k||.
    rho : float
        ``max_{k != l} |<x_k, x_l>|``; 0 for one sample.
    gamma : float
        The largest gamma for which D-2 holds; inf for orthogonal samples, 0 with a zero sample.
    lambda_ : float or None
        min_{k, l} y_k y_l <x_k, x_l>, k = l included: D-1 holds if it is positive. None without
        labels -1/+1, as for the next four.
    margin : float or None
        ghat of D-3, from the primal side: min_k <u, u_k> for the unit vector `direction`; 0 if
        the data are not linearly separable.
    margin_dual : float or None
        The least norm in the convex hull of the u_k = y_k x_k: an upper bound of ghat.
    duality_gap : float or None
        margin_dual - margin: ghat is known to within it.
    direction : tuple of float or None
        The unit vector that attains `margin`; None if not separable.
    """

    samples: int
    dim: int
    R_min: float
    R_max: float
    rho: float
    gamma: float
    lambda_: float | None
    margin: float | None
    margin_dual: float | None
    duality_gap: float | None
    direction: tuple[float, ...] | None

    @property
    def separable(self) -> bool | None:
        """Whether a direction was found that separates the data linearly."""
        return None if self.margin is None else self.margin > 0.0

    @property
    def orthogonally_separable(self) -> bool | None:
        """Whether D-1 holds."""
        return None if self.lambda_ is None else self.lambda_ > 0.0

    @property
    def nearly_orthogonal(self) -> bool:
        """Whether the weaker condition of D-2 holds: R_min^2 > (n - 1) rho."""
        return self.R_min**2 > (self.samples - 1) * self.rho

    @property
    def margin_certified(self) -> bool | None:
        """Whether the duality gap is below `GAP` in units of R_max."""
        return None if self.duality_gap is None else self.duality_gap <= GAP * self.R_max

    @property
    def margin_bound(self) -> float:
        """The lower bound on ghat that D-1 and D-2 give (D-3); 0 if neither does."""
        squares = [0.0, (self.R_min**2 - (self.samples - 1) * self.rho) / self.samples]
        if self.lambda_ is not None:
            squares.append(self.lambda_)
        return math.sqrt(max(squares))

    def as_dict(self) -> dict[str, Any]:
        """Return all numbers and judgements, JSON-ready: infinity becomes the text ``inf``."""
        numbers = asdict(self) | {
            "separable": self.separable,
            "orthogonally_separable": self.orthogonally_separable,
            "nearly_orthogonal": self.nearly_orthogonal,
            "margin_certified": self.margin_certified,
            "margin_bound": self.margin_bound,
        }
        return {
            key.rstrip("_"): "inf" if value == math.inf else value for key, value in numbers.items()
        }

    def lines(self) -> list[tuple[str, str, str]]:
        """Return (what, value, spec ID) of each number, for people."""
        rows = [
            ("samples n", str(self.samples), ""),
            ("dimension d", str(self.dim), ""),
            ("R_min, R_max", f"{self.R_min:.6g}, {self.R_max:.6g}", "D-2"),
            ("rho", f"{self.rho:.6g}", "D-2"),
            ("gamma", f"{self.gamma:.9g}", "D-2"),
            ("R_min^2 > (n-1) rho", _yes(self.nearly_orthogonal), "D-2"),
        ]
        if self.lambda_ is None:
            return [*rows, ("lambda, margin", "need labels -1/+1", "D-1, D-3")]
        gap = f"{self.margin:.9g} (duality gap {self.duality_gap:.1e})"
        uncertain = "" if self.margin_certified else ", not certified"
        return [
            *rows,
            ("lambda", f"{self.lambda_:.9g}", "D-1"),
            ("orthogonally separable", _yes(self.orthogonally_separable), "D-1"),
            ("margin ghat", gap + uncertain, "D-3"),
            ("linearly separable", _yes(self.separable), "D-3"),
            ("lower bound of ghat", f"{self.margin_bound:.6g}", "D-1, D-2, D-3"),
        ]


def certify(data: Dataset) -> Certificate:
    """Measure lambda, gamma, rho, R_min, R_max and the margin of a data set.

    Parameters
    ----------
    data : Dataset
        Shared by all trajectories.

    Raises
    ------
    InputError
        If the data differ by trajectory: see `certify_each`.

    Examples
    --------
    For n orthonormal samples gamma is infinite and the margin n^(-1/2):

    >>> import numpy as np
    >>> from flowfa.datasets import Dataset, certify
    >>> found = certify(Dataset(np.eye(4), np.array([1.0, -1.0, 1.0, 1.0])))
    >>> found.gamma, round(found.margin, 12)
    (inf, 0.5)
    """
    if data.differs_by_trajectory:
        raise InputError(
            f"{data.name} has a set for each trajectory: certify them one by one (certify_each)"
        )
    n = data.samples
    gram = data.X @ data.X.T
    norms = np.linalg.norm(data.X, axis=1)
    off = np.abs(gram) - np.diag(np.abs(np.diag(gram)))
    least, greatest = float(norms.min()), float(norms.max())
    numbers: dict[str, Any] = {
        "samples": n,
        "dim": data.dim,
        "R_min": least,
        "R_max": greatest,
        "rho": float(off.max()) if n > 1 else 0.0,
        "gamma": _gamma(norms, off),
    }
    if data.label_kind != "binary":
        names = ("lambda_", "margin", "margin_dual", "duality_gap", "direction")
        return Certificate(**numbers, **dict.fromkeys(names))
    numbers["lambda_"] = float((np.outer(data.y, data.y) * gram).min())
    return Certificate(**numbers, **_margin(data.y[:, None] * data.X, greatest))


def certify_each(data: Dataset) -> tuple[Certificate, ...]:
    """Return the certificate of each trajectory's set."""
    if not data.differs_by_trajectory:
        return (certify(data),)
    sets = zip(data.X, data.y, strict=True)
    return tuple(certify(Dataset(X, y, data.name, data.origin)) for X, y in sets)


def _gamma(norms: np.ndarray, off: np.ndarray) -> float:
    """Return the largest gamma with ||x_k||^2 >= gamma n R^2 max_{l != k} |<x_k, x_l>|."""
    if norms.min() == 0.0:
        # R is infinite: no gamma will do, unless there are no inner products to bound.
        return 0.0
    ratio = norms.max() / norms.min()
    denominator = len(norms) * ratio**2 * off.max(axis=1)
    with np.errstate(divide="ignore"):
        return float(np.min(norms**2 / denominator))


def _margin(signed: np.ndarray, scale: float) -> dict[str, Any]:
    """Return the margin of u_k = y_k x_k, (sample, feature), with both sides of the duality.

    min over q >= 0 of ||sum q_k u_k||^2 + (sum q_k - 1)^2 is attained at a multiple of the convex
    combination of least norm (D-3), so non-negative least squares find it.
    """
    from scipy.optimize import nnls

    nothing = {"margin": 0.0, "margin_dual": 0.0, "duality_gap": 0.0, "direction": None}
    if scale == 0.0:
        return nothing
    units = signed / scale
    matrix = np.concatenate([units.T, np.ones((1, len(units)))])
    target = np.zeros(len(matrix))
    target[-1] = 1.0
    share, _ = nnls(matrix, target, maxiter=50 * max(matrix.shape))
    nearest = (share / share.sum()) @ units
    length = float(np.linalg.norm(nearest))
    if length == 0.0:
        return nothing
    direction = nearest / length
    primal = float((units @ direction).min())
    if primal <= 0.0:
        # The hull's nearest point is zero to rounding: the dual bound says how nearly.
        bound = length * scale
        return nothing | {"margin_dual": bound, "duality_gap": bound}
    return {
        "margin": primal * scale,
        "margin_dual": length * scale,
        "duality_gap": max(0.0, (length - primal) * scale),
        "direction": tuple(direction.tolist()),
    }


def _yes(judgement: bool | None) -> str:
    return "yes" if judgement else "no"

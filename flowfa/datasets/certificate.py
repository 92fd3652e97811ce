"""What data sets satisfy, with numbers that certify it: D-1, D-2, D-3.

Each judgement is proved for the given float64 numbers, or else it is "unknown".
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from flowfa.datasets.dataset import Dataset
from flowfa.datasets.exact import GREATEST, LEAST, RELATIVE, dot, products
from flowfa.datasets.margin import GAP, margin_of
from flowfa.documents.display import fact_table
from flowfa.errors import InputError


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
    spare : float
        ``R_min^2 - (n - 1) rho``, of exact sign: the weaker condition of D-2 holds if it is
        positive.
    lambda_ : float or None
        min_{k, l} y_k y_l <x_k, x_l>, k = l included: D-1 holds if it is positive. None without
        labels -1/+1, as for the next four.
    margin : float or None
        ghat of D-3, from the primal side: min_k <u, u_k> for the unit vector `direction`; 0 if
        the data are not linearly separable, or none was found that separates them.
    margin_dual : float or None
        The norm of a convex combination of the u_k = y_k x_k: an upper bound of ghat. It is 0
        only if one that vanishes is proved to exist, so that the data are not separable.
    duality_gap : float or None
        margin_dual - margin: ghat is known to within it.
    direction : tuple of float or None
        The unit vector that attains `margin`; None if none was found that separates the data.
    """

    samples: int
    dim: int
    R_min: float
    R_max: float
    rho: float
    gamma: float
    spare: float
    lambda_: float | None
    margin: float | None
    margin_dual: float | None
    duality_gap: float | None
    direction: tuple[float, ...] | None

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        facts = {
            field.name.rstrip("_"): f"{value:.6g}" if isinstance(value, float) else str(value)
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) is not None and field.name != "direction"
        }
        return fact_table("Certificate", facts)

    @property
    def separable(self) -> bool | None:
        """Whether the data are linearly separable; None if not known, or without labels -1/+1."""
        if self.margin is None or (self.margin == 0.0 and self.margin_dual != 0.0):
            return None
        return self.margin > 0.0

    @property
    def orthogonally_separable(self) -> bool | None:
        """Whether D-1 holds."""
        return None if self.lambda_ is None else self.lambda_ > 0.0

    @property
    def nearly_orthogonal(self) -> bool:
        """Whether the weaker condition of D-2 holds: R_min^2 > (n - 1) rho."""
        return self.spare > 0.0

    @property
    def margin_certified(self) -> bool | None:
        """Whether the duality gap is below `GAP` in units of the margin's upper bound."""
        if self.duality_gap is None or self.margin_dual is None:
            return None
        return self.duality_gap <= GAP * self.margin_dual

    @property
    def margin_bound(self) -> float:
        """The lower bound on ghat that D-1 and D-2 give (D-3); 0 if neither does."""
        squares = [0.0, self.spare / self.samples]
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
    >>> certificate = certify(Dataset(np.eye(4), np.array([1.0, -1.0, 1.0, 1.0])))
    >>> certificate.gamma, round(certificate.margin, 12)
    (inf, 0.5)
    """
    if data.differs_by_trajectory:
        raise InputError(
            f"{data.name} has a set for each trajectory: certify them one by one (certify_each)"
        )
    _check_sizes(data)
    n = data.samples
    gram = products(data.X, data.X)
    norms = np.sqrt(gram.diagonal())
    off = np.abs(gram) - np.diag(gram.diagonal())
    rho = float(off.max()) if n > 1 else 0.0
    numbers: dict[str, Any] = {
        "samples": n,
        "dim": data.dim,
        "R_min": float(norms.min()),
        "R_max": float(norms.max()),
        "rho": rho,
        "gamma": _gamma(norms, off),
        "spare": _spare(data.X, gram.diagonal(), off),
    }
    if data.label_kind != "binary":
        names = ("lambda_", "margin", "margin_dual", "duality_gap", "direction")
        return Certificate(**numbers, **dict.fromkeys(names))
    margin = margin_of(data.y[:, None] * data.X)
    return Certificate(
        **numbers,
        lambda_=float((np.outer(data.y, data.y) * gram).min()),
        margin=margin.lower,
        margin_dual=margin.upper,
        duality_gap=margin.upper - margin.lower,
        direction=None if margin.direction is None else tuple(margin.direction.tolist()),
    )


def certify_each(data: Dataset) -> tuple[Certificate, ...]:
    """Return the certificate of each trajectory's set."""
    if not data.differs_by_trajectory:
        return (certify(data),)
    sets = zip(data.X, data.y, strict=True)
    return tuple(certify(Dataset(X, y, data.name, data.origin, data.classes)) for X, y in sets)


def _gamma(norms: np.ndarray, off: np.ndarray) -> float:
    """Return the largest gamma with ||x_k||^2 >= gamma n R^2 max_{l != k} |<x_k, x_l>|."""
    if norms.min() == 0.0:
        # R is infinite, so that no positive gamma is certified.
        return 0.0
    ratio = norms.max() / norms.min()
    denominator = len(norms) * ratio**2 * off.max(axis=1)
    with np.errstate(divide="ignore"):
        return float(np.min(norms**2 / denominator))


def _spare(X: np.ndarray, squares: np.ndarray, off: np.ndarray) -> float:
    """Return min_k ||x_k||^2 - (n - 1) max |<x_k, x_l>|, its sign exact."""
    other_samples = len(X) - 1
    least, most = float(squares.min()), float(off.max())
    spare = least - other_samples * most
    doubt = 8.0 * RELATIVE
    if abs(spare) > doubt * least or least == 0.0:
        return spare
    # Both sides agree in all but the last digits, so that rational numbers decide.
    shortest = np.flatnonzero(squares <= least * (1.0 + doubt))
    rows, columns = np.nonzero(np.triu(off, 1) >= most * (1.0 - doubt))
    exact = min(dot(X[k], X[k]) for k in shortest) - other_samples * max(
        (abs(dot(X[i], X[j])) for i, j in zip(rows, columns, strict=True)), default=Fraction(0)
    )
    return float(exact)


def _check_sizes(data: Dataset) -> None:
    """Refuse numbers whose products overflow or underflow float64."""
    sizes = np.abs(data.X[data.X != 0.0])
    if sizes.size and not (sizes.min() >= LEAST and sizes.max() <= GREATEST):
        raise InputError(
            f"{data.name} has values from {sizes.min():.3g} to {sizes.max():.3g} in size, whose "
            f"products leave float64: certify takes 0 and {LEAST:.0e} to {GREATEST:.0e}, so "
            "multiply all by one number, or set what is negligible to 0"
        )


def _yes(judgement: bool | None) -> str:
    return "unknown" if judgement is None else "yes" if judgement else "no"

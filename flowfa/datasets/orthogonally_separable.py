"""Orthogonally separable data (D-1) with a prescribed lambda."""

from __future__ import annotations

from typing import Any

import numpy as np

from flowfa.datasets.arguments import balanced_signs, orthonormal_rows, positive, whole_number
from flowfa.datasets.dataset import Dataset
from flowfa.datasets.registry import dataset
from flowfa.errors import InputError
from flowfa.registry import unknown_name
from flowfa.seeds import generator

KINDS = ("strict", "phuong-lampert")
CONCENTRATION = 0.5
"""Length of the part of a unit sample across the common direction; at most 1/sqrt(2)."""


@dataset("orthogonally-separable")
def orthogonally_separable(
    samples: int = 30, dim: int = 50, lambda_: float = 0.1, kind: str = "strict", seed: int = 0
) -> Dataset:
    """Draw lambda-orthogonally separable samples for exactly this lambda.

    Parameters
    ----------
    samples, dim : int
        n and d; d >= 2 unless n = 1.
    lambda_ : float
        Positive. Of kind ``strict`` the least y_k y_l <x_k, x_l> over all pairs, k = l included,
        is `lambda_`, to rounding (D-1). Of kind ``phuong-lampert`` it is the least <x_k, x_l>
        within a class.
    kind : {"strict", "phuong-lampert"}
        Phuong & Lampert (2020) ask for <x_k, x_l> > 0 within a class and <= 0 across; there,
        y_k y_l <x_k, x_l> may be zero, so D-1 may fail for every lambda.
    seed : int

    Returns
    -------
    Dataset
        With balanced random labels -1/+1.

    Raises
    ------
    InputError
        If an argument is out of range.
    """
    n, d = whole_number("samples", samples, 1), whole_number("dim", dim, 1)
    lambda_ = positive("lambda_", lambda_)
    if kind not in KINDS:
        raise unknown_name("kind of orthogonal separability", kind, KINDS)
    random = generator(seed, "orthogonally-separable", kind)
    labels = balanced_signs(n, random)
    X = _strict(labels, d, random) if kind == "strict" else _weak(labels, d, random)
    products = X @ X.T
    if kind == "strict":
        least = float((np.outer(labels, labels) * products).min())
    else:
        least = float(products[np.equal.outer(labels, labels)].min())
    X *= np.sqrt(lambda_ / least)
    origin: dict[str, Any] = {
        "samples": n,
        "dim": d,
        "lambda_": lambda_,
        "kind": kind,
        "seed": seed,
    }
    return Dataset(X, labels, "orthogonally-separable", origin)


def _strict(labels: np.ndarray, dim: int, random: np.random.Generator) -> np.ndarray:
    """Draw u_k = y_k x_k around one direction: any two have a positive inner product."""
    n = len(labels)
    frame = orthonormal_rows(dim, dim, random)
    across = random.standard_normal((n, dim - 1))
    if dim > 1:
        across *= CONCENTRATION / np.linalg.norm(across, axis=1, keepdims=True)
    scaled = np.concatenate([np.ones((n, 1)), across], axis=1) @ frame
    return labels[:, None] * scaled * random.uniform(1.0, 2.0, (n, 1))


def _weak(labels: np.ndarray, dim: int, random: np.random.Generator) -> np.ndarray:
    """Draw each class around a direction of its own, in orthogonal halves of the space."""
    if dim < 2:
        raise InputError(
            "`dim` is 1: classes of kind phuong-lampert lie in orthogonal subspaces, so take at "
            "least 2"
        )
    frame = orthonormal_rows(dim, dim, random)
    halves = {1.0: frame[: (dim + 1) // 2], -1.0: frame[(dim + 1) // 2 :]}
    X = np.zeros((len(labels), dim))
    for label, half in halves.items():
        in_class = labels == label
        across = random.standard_normal((int(in_class.sum()), len(half) - 1))
        if len(half) > 1:
            across *= CONCENTRATION / np.linalg.norm(across, axis=1, keepdims=True)
        inside = np.concatenate([np.ones((len(across), 1)), across], axis=1)
        X[in_class] = inside @ half * random.uniform(1.0, 2.0, (len(across), 1))
    return X

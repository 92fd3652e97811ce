"""Nearly orthogonal data (D-2) with a prescribed gamma."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flowfa.datasets.arguments import balanced_signs, orthonormal_rows, positive, whole_number
from flowfa.datasets.dataset import Dataset
from flowfa.datasets.registry import dataset
from flowfa.errors import InputError
from flowfa.seeds import generator

ATTEMPTS = 200
"""Rounds of alternating projections for more samples than features."""


@dataset("nearly-orthogonal")
def nearly_orthogonal(
    samples: int = 30, dim: int = 300, gamma: float = 2.0, norm_ratio: float = 1.0, seed: int = 0
) -> Dataset:
    """Draw samples that are gamma-nearly orthogonal for exactly this gamma.

    D-2: ``||x_k||^2 >= gamma n R^2 max_{l != k} |<x_k, x_l>|`` for all k, with R = `norm_ratio` the
    ratio of the greatest to the least norm. Inner products are uniform within the bound, and one
    pair attains it, so that `certify` returns `gamma` to rounding.

    Parameters
    ----------
    samples, dim : int
        n and d.
    gamma : float
        Positive.
    norm_ratio : float
        R >= 1; the least norm is 1.
    seed : int

    Returns
    -------
    Dataset
        With balanced random labels -1/+1.

    Raises
    ------
    InputError
        If an argument is out of range, or no such samples exist (or, for more samples than
        features, were found), with the reason.

    Examples
    --------
    >>> from flowfa.datasets import certify, nearly_orthogonal
    >>> round(certify(nearly_orthogonal(samples=6, dim=20, gamma=1.5, seed=1)).gamma, 12)
    1.5
    """
    n, d = whole_number("samples", samples, 1), whole_number("dim", dim, 1)
    gamma = positive("gamma", gamma)
    ratio = positive("norm_ratio", norm_ratio)
    if ratio < 1.0 or (n == 1 and ratio > 1.0):
        raise InputError(f"`norm_ratio` is {ratio:g}: expected at least 1, and 1 for one sample")
    random = generator(seed, "nearly-orthogonal")
    norms = np.ones(n)
    if n > 1:
        norms = np.exp(random.uniform(0.0, math.log(ratio), n))
        norms[:2] = 1.0, ratio
        norms = random.permutation(norms)
    # |<x_k, x_l>| is bounded by the smaller of the two squared norms.
    bound = np.minimum.outer(norms, norms) ** 2 / (gamma * n * ratio**2)
    if n <= d:
        X = _from_gram(norms, bound, d, gamma, random)
    else:
        X = _crowded(n, d, gamma, ratio, random)
    origin: dict[str, Any] = {
        "samples": n,
        "dim": d,
        "gamma": gamma,
        "norm_ratio": ratio,
        "seed": seed,
    }
    return Dataset(X, balanced_signs(n, random), "nearly-orthogonal", origin)


def _from_gram(
    norms: np.ndarray, bound: np.ndarray, dim: int, gamma: float, random: np.random.Generator
) -> np.ndarray:
    """Draw a Gram matrix within the bounds, and samples that have it, (sample, dim)."""
    n = len(norms)
    if n == 1:
        return norms[0] * orthonormal_rows(1, dim, random)
    share = np.triu(random.uniform(-1.0, 1.0, (n, n)), 1)
    share += share.T
    share /= np.abs(share).max()
    gram = share * bound
    np.fill_diagonal(gram, norms**2)
    least = np.linalg.eigvalsh(gram)[0]
    if least <= 0.0:
        # gamma > (n-1)/n makes the matrix diagonally dominant, so this is a small gamma.
        raise InputError(
            f"no {n} samples with gamma = {gamma:g} came out of random inner products (their Gram "
            f"matrix is not positive definite): ask for a gamma of at least {(n - 1) / n:.3g}"
        )
    return np.linalg.cholesky(gram) @ orthonormal_rows(n, dim, random)


def _crowded(n: int, d: int, gamma: float, ratio: float, random: np.random.Generator) -> np.ndarray:
    """Find more unit samples than features with |<x_k, x_l>| <= 1 / (gamma n), or say why not."""
    if ratio != 1.0:
        raise InputError(
            f"`norm_ratio` {ratio:g} is made only for samples <= dim, not for {n} > {d}: leave it "
            "out"
        )
    # Welch (1974): among n > d unit vectors some |<x_k, x_l>| is at least this.
    welch = math.sqrt((n - d) / (d * (n - 1)))
    greatest = 1.0 / (n * welch)
    if gamma > greatest:
        raise InputError(
            f"{n} samples in {d} dimensions cannot have gamma = {gamma:g}: by the Welch bound "
            f"gamma is at most {greatest:.3g} here; take samples <= dim, where any gamma can be had"
        )
    target = 1.0 / (gamma * n)
    X = random.standard_normal((n, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    worst = math.inf
    for _ in range(ATTEMPTS):
        gram = X @ X.T
        off = gram - np.diag(np.diag(gram))
        worst = float(np.abs(off).max())
        if worst <= target:
            return _attain(X, target)
        # Alternate between the bounded Gram matrices and those of rank d.
        gram = np.clip(off, -0.9 * target, 0.9 * target) + np.eye(n)
        values, vectors = np.linalg.eigh(gram)
        X = vectors[:, -d:] * np.sqrt(np.clip(values[-d:], 1e-12, None))
        X /= np.linalg.norm(X, axis=1, keepdims=True)
    raise InputError(
        f"no {n} samples in {d} dimensions with gamma = {gamma:g} were found (the best had "
        f"{1.0 / (n * worst):.3g}, the Welch bound allows {greatest:.3g}): ask for a smaller gamma"
    )


def _attain(X: np.ndarray, target: float) -> np.ndarray:
    """Turn one sample towards its nearest until their inner product equals the bound."""
    off = np.abs(X @ X.T) - np.eye(len(X))
    k, nearest = np.unravel_index(np.argmax(off), off.shape)
    toward = np.sign(X[k] @ X[nearest]) * X[nearest]
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        turned = (1.0 - middle) * X[k] + middle * toward
        turned /= np.linalg.norm(turned)
        inner_products = np.delete(np.abs(X @ turned), k)
        low, high = (middle, high) if inner_products.max() <= target else (low, middle)
    turned = (1.0 - low) * X[k] + low * toward
    X = X.copy()
    X[k] = turned / np.linalg.norm(turned)
    return X

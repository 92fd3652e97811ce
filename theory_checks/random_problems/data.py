"""Random data sets by kind: those that the theorems ask for, and those that break programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from flowfa.datasets import Dataset, nearly_orthogonal, orthogonally_separable

Signed = tuple[np.ndarray, np.ndarray]
"""Samples (sample, feature) and signs -1/+1 (sample,)."""
Draw = Callable[[int, int, np.random.Generator], Signed]


def _orthogonally_separable(samples: int, dim: int, random: np.random.Generator) -> Signed:
    """Draw D-1 with lambda between 0.01 and 1."""
    lambda_ = 10.0 ** random.uniform(-2.0, 0.0)
    data = orthogonally_separable(samples, dim, lambda_, seed=_seed(random))
    return data.X, data.y


def _nearly_orthogonal(samples: int, dim: int, random: np.random.Generator) -> Signed:
    """Draw D-2 with gamma between 1.1 and 10 and R up to 3."""
    gamma = 1.1 * 9.0 ** random.uniform()
    ratio = 1.0 if samples == 1 else 3.0 ** random.uniform()
    data = nearly_orthogonal(samples, dim, gamma, ratio, seed=_seed(random))
    return data.X, data.y


def _separable(samples: int, dim: int, random: np.random.Generator) -> Signed:
    """Draw samples with margin at least m along a random direction, m between 0.01 and 1."""
    X, signs = _gaussian(samples, dim, random)
    direction = random.standard_normal(dim)
    direction /= np.linalg.norm(direction)
    margin = 10.0 ** random.uniform(-2.0, 0.0)
    along = margin * (1.0 + random.exponential(1.0, samples))
    along[0] = margin
    return X + np.outer(signs * along - X @ direction, direction), signs


def _gaussian(samples: int, dim: int, random: np.random.Generator) -> Signed:
    """Draw normal samples and random labels."""
    return random.standard_normal((samples, dim)), random.choice((-1.0, 1.0), samples)


def _duplicates(samples: int, dim: int, random: np.random.Generator) -> Signed:
    """Repeat half of the samples, with their labels or against them."""
    X, signs = _gaussian(samples, dim, random)
    return X[np.arange(samples) // 2], signs


def _opposites(samples: int, dim: int, random: np.random.Generator) -> Signed:
    """Pair each sample with its negative."""
    X, signs = _gaussian(samples, dim, random)
    turned = np.where(np.arange(samples) % 2 == 0, 1.0, -1.0)
    return X[np.arange(samples) // 2] * turned[:, None], signs


def _zero_rows(samples: int, dim: int, random: np.random.Generator) -> Signed:
    """Set some samples to zero; of a single one a half of its features."""
    X, signs = _gaussian(samples, dim, random)
    X[random.random(samples) < 0.4] = 0.0
    X[0, : (dim + 1) // 2] = 0.0
    return X, signs


def _unequal_norms(samples: int, dim: int, random: np.random.Generator) -> Signed:
    """Draw norms from 10^-3 to 10^3 times a unit, which is such that the largest is 1."""
    X, signs = _gaussian(samples, dim, random)
    X *= 10.0 ** random.uniform(-6.0, 0.0, (samples, 1)) / np.linalg.norm(X, axis=1, keepdims=True)
    return X, signs


def _whole_numbers(samples: int, dim: int, random: np.random.Generator) -> Signed:
    """Draw entries -1, 0, 1: coincidences, exact cancellations, zero features."""
    X = random.integers(-1, 2, (samples, dim)).astype(np.float64)
    return X, random.choice((-1.0, 1.0), samples)


DATA_KINDS: dict[str, Draw] = {
    "gaussian": _gaussian,
    "orthogonally separable": _orthogonally_separable,
    "nearly orthogonal": _nearly_orthogonal,
    "separable": _separable,
    "duplicates": _duplicates,
    "opposites": _opposites,
    "zero rows": _zero_rows,
    "unequal norms": _unequal_norms,
    "whole numbers": _whole_numbers,
}
"""By name; the first is the plainest. Signs are labels -1/+1, or what class numbers follow."""


def _mixed_norms(samples: int, dim: int, random: np.random.Generator) -> Signed:
    """Draw normal samples times factors that spread over three decades about 1."""
    X, signs = _gaussian(samples, dim, random)
    return X * 10.0 ** random.uniform(-1.5, 1.5, (samples, 1)), signs


def _mixed_units(samples: int, dim: int, random: np.random.Generator) -> Signed:
    """Draw normal samples, each feature in a unit of its own, over three decades about 1."""
    X, signs = _gaussian(samples, dim, random)
    return X * 10.0 ** random.uniform(-1.5, 1.5, (1, dim)), signs


def _balanced(samples: int, dim: int, random: np.random.Generator) -> Signed:
    """Repeat samples under both labels: small networks have gradients that cancel."""
    X, _ = _gaussian(samples, dim, random)
    return X[np.arange(samples) // 2], np.where(np.arange(samples) % 2 == 0, -1.0, 1.0)


WIDE_DATA_KINDS: dict[str, Draw] = {
    "mixed norms": _mixed_norms,
    "mixed units": _mixed_units,
    "balanced": _balanced,
}
"""By name; those of `wide_plan`. `DATA_KINDS` stay as they are, so that its batches do."""


def possible_kinds(samples: int, dim: int) -> tuple[str, ...]:
    """Return the kinds that exist for a shape: nearly orthogonal samples need the dimensions."""
    kinds = (*DATA_KINDS, *WIDE_DATA_KINDS)
    return tuple(k for k in kinds if k != "nearly orthogonal" or samples <= dim)


def draw_data(
    kind: str,
    samples: int,
    dim: int,
    loss: str,
    outputs: int,
    random: np.random.Generator,
    scale: float = 1.0,
) -> Signed:
    """Draw a data set with the labels that a loss wants.

    Parameters
    ----------
    kind : str
        A name in `DATA_KINDS` or `WIDE_DATA_KINDS`.
    samples, dim : int
    loss : str
        ``cross-entropy``: labels are class numbers, of which K-1 is one (so that the labels tell
        K), which takes two samples; ``squared`` with several outputs: real targets; else -1/+1.
    outputs : int
        K.
    random : numpy.random.Generator
    scale : float
        Factor of all samples.

    Returns
    -------
    X, y : numpy.ndarray
        (sample, feature), and (sample,) or (sample, output).
    """
    X, signs = (DATA_KINDS | WIDE_DATA_KINDS)[kind](samples, dim, random)
    X = X * scale
    if loss == "cross-entropy":
        other = random.integers(0, outputs - 1, samples)
        labels = np.where(signs > 0, outputs - 1, other).astype(np.float64)
        labels[0], labels[-1] = outputs - 1, other[-1]
        return X, labels
    if loss == "squared" and outputs > 1:
        return X, random.standard_normal((samples, outputs)) + signs[:, None]
    return X, signs


@st.composite
def datasets(
    draw: st.DrawFn,
    kinds: tuple[str, ...] = tuple(DATA_KINDS),
    loss: str = "exponential",
    outputs: int = 1,
    most_samples: int = 8,
    most_dim: int = 8,
) -> Dataset:
    """Draw a data set; `origin` says of which kind.

    Shrinks to one sample with one feature and to the first of `kinds`.

    Parameters
    ----------
    draw : hypothesis draw function
    kinds : tuple of str
        Names in `DATA_KINDS`.
    loss, outputs
        As `draw_data`.
    most_samples, most_dim : int
    """
    samples = draw(st.integers(2 if loss == "cross-entropy" else 1, most_samples))
    dim = draw(st.integers(1, most_dim))
    if kinds == ("nearly orthogonal",):
        dim = max(samples, dim)
    possible = tuple(kind for kind in kinds if kind in possible_kinds(samples, dim))
    kind = draw(st.sampled_from(possible))
    scale, seed = draw(scales()), draw(seeds())
    X, y = draw_data(kind, samples, dim, loss, outputs, np.random.default_rng(seed), scale)
    origin: dict[str, Any] = {"kind": kind, "scale": scale, "seed": seed}
    classes = outputs if loss == "cross-entropy" else 0
    return Dataset(X, y, f"random {kind}", origin, classes)


def scales() -> st.SearchStrategy[float]:
    """Draw a factor of the samples: 1, or huge, or tiny."""
    return st.sampled_from((1.0, 0.3, 3.0, 1e-3, 1e3))


def seeds() -> st.SearchStrategy[int]:
    """Draw the seed of the bulk of numbers."""
    return st.integers(0, 2**16 - 1)


def _seed(random: np.random.Generator) -> int:
    return int(random.integers(2**31))

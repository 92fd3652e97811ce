"""Gaussian mixtures with label noise."""

from __future__ import annotations

import numpy as np

from flowfa.datasets.arguments import positive, whole_number
from flowfa.datasets.dataset import Dataset
from flowfa.datasets.registry import dataset
from flowfa.errors import InputError
from flowfa.seeds import generator


@dataset("mixture")
def mixture(
    samples: int = 200,
    dim: int = 20,
    components: int = 2,
    separation: float = 3.0,
    label_noise: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Draw samples around the means of classes, and give some of them a wrong label.

    Class means have length separation / sqrt(2 dim) in random directions (opposite ones for two
    classes, at distance separation * sqrt(2 / dim)), and samples N(mean, I / dim) around them.

    Parameters
    ----------
    samples, dim : int
        n and d.
    components : int
        Number of classes K: two give labels -1/+1, more give class numbers.
    separation : float
        Distance of the means in units of a feature's standard deviation, over sqrt(2).
    label_noise : float
        Fraction of samples with a wrong label, from 0 to 1: round(label_noise * n) of them, each
        with another class drawn uniformly.
    seed : int

    Raises
    ------
    InputError
        If an argument is out of range.
    """
    n, d = whole_number("samples", samples, 1), whole_number("dim", dim, 1)
    classes = whole_number("components", components, 2)
    separation = positive("separation", separation)
    if not 0.0 <= label_noise <= 1.0:
        raise InputError(f"`label_noise` is {label_noise}: expected a fraction between 0 and 1")
    random = generator(seed, "mixture")
    means = random.standard_normal((classes, d))
    if classes == 2:
        means[1] = -means[0]
    means *= separation / (np.sqrt(2.0 * d) * np.linalg.norm(means, axis=1, keepdims=True))
    numbers = random.permutation(np.arange(n) % classes)
    X = means[numbers] + random.standard_normal((n, d)) / np.sqrt(d)
    labels = wrong_labels(numbers, classes, label_noise, random)
    y = 2.0 * labels - 1.0 if classes == 2 else labels.astype(np.float64)
    origin = {
        "samples": n,
        "dim": d,
        "components": classes,
        "separation": separation,
        "label_noise": label_noise,
        "seed": seed,
    }
    return Dataset(X, y, "mixture", origin, 0 if classes == 2 else classes)


def wrong_labels(
    numbers: np.ndarray, classes: int, fraction: float, random: np.random.Generator
) -> np.ndarray:
    """Return class numbers of which round(fraction * n) are replaced by another class.

    Parameters
    ----------
    numbers : numpy.ndarray
        Class numbers 0..K-1, (sample,).
    classes : int
        K.
    fraction : float
        From 0 to 1.
    random : numpy.random.Generator
    """
    noisy = numbers.copy()
    chosen = random.permutation(len(numbers))[: round(fraction * len(numbers))]
    noisy[chosen] = (numbers[chosen] + random.integers(1, classes, len(chosen))) % classes
    return noisy

"""Gaussian inputs with random labels, which networks can only memorise."""

from __future__ import annotations

from flowfa.datasets.arguments import positive, whole_number
from flowfa.datasets.dataset import Dataset
from flowfa.datasets.registry import dataset
from flowfa.seeds import generator


@dataset("gaussian")
def gaussian(samples: int = 20, dim: int = 50, scale: float = 1.0, seed: int = 0) -> Dataset:
    """Draw inputs from N(0, scale^2 / dim) and independent fair labels -1/+1.

    Norms are about `scale`. On such data neurons slide along kinks, where explicit solvers
    chatter.

    Parameters
    ----------
    samples, dim : int
        n and d.
    scale : float
        Positive.
    seed : int

    Raises
    ------
    InputError
        If an argument is out of range.
    """
    n, d = whole_number("samples", samples, 1), whole_number("dim", dim, 1)
    scale = positive("scale", scale)
    random = generator(seed, "gaussian")
    X = scale / d**0.5 * random.standard_normal((n, d))
    origin = {"samples": n, "dim": d, "scale": scale, "seed": seed}
    return Dataset(X, random.choice((-1.0, 1.0), n), "gaussian", origin)

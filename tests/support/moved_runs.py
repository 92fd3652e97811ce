"""Small kinked problems with rates, decay and weights, and the weights at the end of their runs."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

import flowfa
from flowfa.problems import Problem
from flowfa.problems.starts import GivenStart, given_start
from flowfa.simulation.run import Run

RATES = (0.5, 2.0)
WEIGHTS = np.array([1.0, 2.0, 0.5, 1.0, 3.0])


def kinked_data() -> flowfa.Dataset:
    """Return five weighted samples of three features, with labels that no plane separates."""
    random = np.random.default_rng(0)
    X = random.standard_normal((5, 3))
    return flowfa.Dataset(X, np.array([1.0, -1.0, 1.0, 1.0, -1.0]), sample_weights=WEIGHTS)


def start(widths: tuple[int, ...], bias: bool = False, trajectories: int = 1) -> GivenStart:
    """Return normal weights, and biases other than zero."""
    random = np.random.default_rng(4)
    arrays = {}
    for layer, (n_in, n_out) in enumerate(itertools.pairwise((3, *widths, 1)), start=1):
        arrays[f"W{layer}"] = 0.7 * random.standard_normal((trajectories, n_out, n_in))
        if bias:
            arrays[f"c{layer}"] = 0.3 * random.standard_normal((trajectories, n_out))
    return given_start(arrays)


def simulated(problem: Problem, solver: str, t_end: float = 2.0, **settings: Any) -> Run:
    """Return a run to a fine tolerance."""
    settings = {"rtol": 1e-6 if solver == "bosh3" else 1e-8} | settings
    if solver == "hybrid":
        settings["rtol"] = 1e-8
    return flowfa.simulate(problem, t_end=t_end, solver=solver, save=5, **settings)


def last_weights(run: Run, snapshot: int = -1) -> dict[str, np.ndarray]:
    """Return weights and biases at one snapshot, by default the last, (trajectory, ...)."""
    return {
        str(name): array.values[:, snapshot]
        for name, array in run.tree["weights"].data_vars.items()
        if "snapshot" in array.dims
    }


def difference(first: Run, second: Run, rows: Any = slice(None)) -> float:
    """Return the largest difference of a weight or bias at the end."""
    one, other = last_weights(first), last_weights(second)
    return max(float(np.abs(one[name][rows] - other[name][rows]).max()) for name in one)

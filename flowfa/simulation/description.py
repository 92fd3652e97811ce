"""The resolved configuration of a run: everything its numbers depend on, by flag name."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np

from flowfa.problems.activations.stored import describe_activation
from flowfa.problems.ensemble import Ensemble
from flowfa.problems.problem import Problem
from flowfa.problems.rules import Rule
from flowfa.simulation.settings import Settings
from flowfa.solvers.choice import Choice


def describe(
    problem: Problem, ensemble: Ensemble, settings: Settings, seed: int, choice: Choice
) -> dict[str, Any]:
    """Return the configuration that is stored with a run and compared on resuming.

    Parameters
    ----------
    problem : Problem
    ensemble : Ensemble
        Its initial networks.
    settings : Settings
    seed : int
    choice : Choice
        Of the solver.

    Returns
    -------
    dict
        JSON-ready. ``data_digest`` and ``start_digest`` stand for the arrays.
    """
    resolved = dataclasses.asdict(settings)
    resolved["solver"] = choice.name
    resolved["solver_asked"] = settings.solver
    resolved["solver_reason"] = choice.reason
    if settings.atol is None:
        resolved["atol"] = settings.rtol / 100.0
    return {**describe_problem(problem, ensemble, seed), **resolved}


def describe_problem(problem: Problem, ensemble: Ensemble, seed: int) -> dict[str, Any]:
    """Return the part of the configuration that says what is simulated, however it moves."""
    return {
        "rule": [rule.name for rule in problem.rules],
        "rule_parameters": {rule.name: _parameters(rule) for rule in problem.rules},
        "width": list(problem.sizes[1:-1]),
        "sizes": list(problem.sizes),
        "trajectories": ensemble.starts,
        "seed": seed,
        "dataset": problem.data.name,
        "dataset_origin": problem.data.origin,
        "samples": problem.data.samples,
        "dim": problem.data.dim,
        "data_digest": problem.data.digest(),
        **describe_activation(problem.activation),
        "loss": problem.loss.name,
        "bias": list(problem.has_bias),
        "init": problem.initial.name,
        "start_digest": _digest(ensemble),
    }


def _parameters(rule: Rule) -> dict[str, Any]:
    return {name: value for name, value in vars(rule).items() if not name.startswith("_")}


def _digest(ensemble: Ensemble) -> str:
    """Return a SHA-256 digest of all initial weights, biases and feedback."""
    summary = hashlib.sha256()
    arrays: list[np.ndarray | None] = [*ensemble.weights, *ensemble.biases]
    arrays += [kept[name] for kept in ensemble.feedback for name in sorted(kept)]
    for array in arrays:
        summary.update(repr(None if array is None else array.shape).encode())
        if array is not None:
            summary.update(np.ascontiguousarray(array).tobytes())
    return summary.hexdigest()

"""The resolved configuration of a run: everything its numbers depend on, by flag name."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np

from flowfa.problems.ensemble import Ensemble
from flowfa.problems.losses import LOSSES, Loss
from flowfa.problems.parameters import recorded
from flowfa.problems.problem import Problem
from flowfa.problems.rules import RULES, Rule
from flowfa.registry import Registry
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
    loss_parameters = recorded(problem.loss)
    strangers = _strangers(problem)
    return {
        "rule": [rule.name for rule in problem.rules],
        "rule_parameters": {rule.name: recorded(rule) for rule in problem.rules},
        "width": list(problem.sizes[1:-1]),
        "sizes": list(problem.sizes),
        "trajectories": ensemble.starts,
        "seed": seed,
        "dataset": problem.data.name,
        "dataset_origin": problem.data.origin,
        "samples": problem.data.samples,
        "dim": problem.data.dim,
        "data_digest": problem.data.digest(),
        "leak": problem.leak,
        "smooth_kinks": problem.smooth_kinks,
        "loss": problem.loss.name,
        **({"loss_parameters": loss_parameters} if loss_parameters else {}),
        **({"strangers": strangers} if strangers else {}),
        "bias": list(problem.has_bias),
        "init": problem.initial.name,
        "start_digest": _digest(ensemble),
    }


def _strangers(problem: Problem) -> dict[str, str]:
    """Return the classes, by name, whose name another class is registered under.

    A subclass inherits the name of its parent: what follows it could be taken for the parent.
    """
    named: list[tuple[Registry[type[Rule]] | Registry[type[Loss]], Rule | Loss]]
    named = [*((RULES, rule) for rule in problem.rules), (LOSSES, problem.loss)]
    return {
        component.name: type(component).__qualname__
        for registry, component in named
        if component.name in registry.names()
        and registry.get(component.name) is not type(component)
    }


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

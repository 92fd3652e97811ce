"""The resolved configuration of a run: everything its numbers depend on, by setting."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from flowfa.errors import InputError
from flowfa.flow.observable_registry import Observable
from flowfa.problems.activations.stored import describe_activation
from flowfa.problems.ensemble import Ensemble
from flowfa.problems.losses import LOSSES, Loss
from flowfa.problems.parameters import recorded
from flowfa.problems.problem import Problem
from flowfa.problems.rules import RULES, Rule
from flowfa.problems.starts import GivenStart, RandomStart
from flowfa.registry import Registry
from flowfa.settings import FlowSettings, to_json_dict
from flowfa.settings.flow import absolute_tolerance
from flowfa.simulation.own_code import own_code_of
from flowfa.simulation.times import kept_snapshots
from flowfa.solvers.choice import Choice


def describe(
    problem: Problem,
    ensemble: Ensemble,
    settings: FlowSettings,
    seed: int,
    choice: Choice,
    observables: Sequence[Observable] = (),
) -> dict[str, Any]:
    """Return the configuration that is stored with a run and compared on resuming.

    Parameters
    ----------
    problem : Problem
    ensemble : Ensemble
        Its initial networks.
    settings : FlowSettings
    seed : int
    choice : Choice
        Of the solver.
    observables : sequence of Observable

    Returns
    -------
    dict
        JSON-ready. ``data_digest`` and ``start_digest`` stand for the arrays.
    """
    return {
        **describe_problem(problem, ensemble, seed),
        **describe_flow(settings, choice),
        **own_code_of(problem, observables, solvers_of(choice)),
    }


def solvers_of(choice: Choice) -> tuple[str, ...]:
    """Return the names of the solvers of a choice."""
    return tuple(dict.fromkeys(choice.by_rule.values())) or (choice.name,)


def describe_flow(settings: FlowSettings, choice: Choice) -> dict[str, Any]:
    """Return the part of the configuration of a flow that says how it moves, and what is kept."""
    resolved = to_json_dict(settings)
    resolved["solver"] = choice.name
    resolved["solver_asked"] = settings.solver
    resolved["solver_reason"] = choice.reason
    if choice.by_rule:
        resolved["solver_by_rule"] = dict(choice.by_rule)
    resolved["atol"] = absolute_tolerance(settings.rtol, settings.atol)
    resolved["save"] = settings.saves
    resolved["snapshots"] = kept_snapshots(settings.snapshots, settings.saves)
    return resolved


def describe_problem(problem: Problem, ensemble: Ensemble, seed: int) -> dict[str, Any]:
    """Return the part of the configuration that says what is simulated, and not how it moves.

    Raises
    ------
    InputError
        If the record would call a rule or a loss by the name of another, or could not hold its
        parameters.
    """
    for rule in problem.rules:
        _check_name(RULES, rule)
        if "feedback" in vars(rule):
            raise InputError(
                f"feedback was replaced in an object of {type(rule).__name__}, which would be "
                f"recorded as {rule.name!r}: write a class with this feedback and register it"
            )
    _check_name(LOSSES, problem.loss)
    loss_parameters = recorded(problem.loss)
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
        **describe_activation(problem.activation),
        "loss": problem.loss.name,
        **({"loss_parameters": loss_parameters} if loss_parameters else {}),
        "bias": list(problem.has_bias),
        "init": problem.initial.name,
        **_start_parameters(problem.initial),
        "start_digest": _digest(ensemble),
        **describe_motion(problem),
        **own_code_of(problem),
    }


def describe_motion(problem: Problem) -> dict[str, Any]:
    """Return rates and decay of the layers, where there are any."""
    parts = {"layer_rates": problem.layer_rates, "weight_decay": problem.weight_decay}
    return {name: list(numbers) for name, numbers in parts.items() if numbers}


def _start_parameters(initial: RandomStart | GivenStart) -> dict[str, Any]:
    """Return the parameters of a random start, of which the networks of a run need no more."""
    if isinstance(initial, GivenStart):
        return {}
    try:
        return {"init_parameters": recorded(initial)}
    except InputError:
        # The weights are stored; only a law that draws at every step would be asked for these.
        return {}


def _check_name(
    registry: Registry[type[Rule]] | Registry[type[Loss]], component: Rule | Loss
) -> None:
    """Refuse a subclass that goes by the name of its parent, and would be checked as its parent."""
    if component.name in registry.names() and registry.get(component.name) is not type(component):
        raise InputError(
            f"the {registry.kind} {type(component).__name__} would be recorded as "
            f"{component.name!r}, which is another one: register its class under a name of its own"
        )


def _digest(ensemble: Ensemble) -> str:
    """Return a SHA-256 digest of all initial weights, biases and feedback."""
    summary = hashlib.sha256()
    arrays: list[np.ndarray | None] = [*ensemble.weights, *ensemble.biases]
    arrays += [matrices[name] for matrices in ensemble.feedback for name in sorted(matrices)]
    for array in arrays:
        summary.update(repr(None if array is None else array.shape).encode())
        if array is not None:
            summary.update(np.ascontiguousarray(array).tobytes())
    return summary.hexdigest()

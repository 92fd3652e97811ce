"""The problem of a run and its networks at time 0, from what the run stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from flowfa.datasets import Dataset
from flowfa.errors import InputError
from flowfa.flow import observables as _with_those_of_flowfa  # noqa: F401
from flowfa.flow.observable_registry import OBSERVABLES, Observable, observables_of
from flowfa.problems import Problem
from flowfa.problems.activations import ACTIVATIONS, Activation
from flowfa.problems.activations.stored import describe_activation, stored_activation
from flowfa.problems.ensemble import Ensemble
from flowfa.problems.losses import LOSSES, Loss
from flowfa.problems.parameters import rebuilt, recorded
from flowfa.problems.rules import RULES, Rule
from flowfa.problems.starts import STARTS, RandomStart, given_start
from flowfa.simulation.own_code import compare_own_code, where_from
from flowfa.solvers.registry import is_registered

if TYPE_CHECKING:
    from xarray import DataTree

FORMATS = ("0.1",)
"""Versions of flowfa whose files are understood, without the last number."""


def stored_configuration(tree: DataTree, label: str) -> dict[str, Any]:
    """Return the stored configuration of a file that can be understood.

    Raises
    ------
    InputError
        If it is not there, or of a version that is not known.
    """
    try:
        version = str(json.loads(tree.attrs["versions"])["flowfa"])
        configuration = json.loads(tree.attrs["config"])
        assert isinstance(configuration, dict)
    except (KeyError, ValueError, TypeError, AssertionError):
        raise InputError(
            f"{label} does not say how it was made (attributes config and versions): give a file "
            "written by flowfa simulate"
        ) from None
    if version.rpartition(".")[0] not in FORMATS:
        raise InputError(
            f"{label} was written by flowfa {version}, whose files this version does not know "
            f"(known: {', '.join(FORMATS)}.x): check it with that version, or make it again"
        )
    return configuration


def stored_problem(
    tree: DataTree,
    configuration: dict[str, Any],
    label: str,
    made_of: Problem | None = None,
    repeats: int = 1,
) -> tuple[Problem, Ensemble]:
    """Return the problem and its networks at time 0, as stored, `repeats` times in a row each.

    A rule, loss or activation that is not registered is taken from the problem at hand, if any.

    Parameters
    ----------
    tree : xarray.DataTree
    configuration : dict
        What `stored_configuration` returns.
    label : str
        Where it came from, for messages.
    made_of : Problem, optional
    repeats : int

    Raises
    ------
    InputError
        If a rule, a loss or an activation is known neither here nor to the problem at hand.
    """
    data = tree.children["data"].to_dataset()
    weights = tree["weights"].to_dataset()
    rules = tuple(_rule(name, configuration, label, made_of) for name in configuration["rule"])
    members = weights.sizes["trajectory"] // len(rules)
    first = slice(0, members, repeats)
    known = {
        str(name): np.array(array.values[first, 0])
        for name, array in weights.data_vars.items()
        if "snapshot" in array.dims and str(name)[0] in "Wc"
    }
    # `given_start` accepts NaN in a start only among several, and the start of a run may have it:
    # each is given twice.
    start = given_start({name: _twice(array) for name, array in known.items()}, label)
    X, y = data["X"].values, data["y"].values
    sample_weights = data["sample_weights"].values if "sample_weights" in data else None
    # If a class has no sample, only the number of outputs tells that it exists.
    outputs = start.sizes[-1]
    classes = outputs if outputs > 1 and y.ndim < X.ndim else 0
    problem = Problem(
        Dataset(X, y, label, classes=classes, sample_weights=sample_weights),
        activation=_activation(configuration, label, made_of),
        rule=rules,
        loss=_loss(configuration, label, made_of),
        initial=start,
        layer_rates=configuration.get("layer_rates", 1.0),
        weight_decay=configuration.get("weight_decay", 0.0),
    )
    compare_own_code(
        configuration,
        [
            *((f"rule {rule.name}", rule) for rule in problem.rules),
            (f"loss {problem.loss.name}", problem.loss),
            (f"activation {problem.activation.name}", problem.activation),
        ],
        label,
    )
    kept = tuple(
        {
            str(name): np.array(array.values[index * members : (index + 1) * members : repeats])
            for name, array in weights.data_vars.items()
            if rule.keeps and str(name)[0] == rule.keeps and "snapshot" not in array.dims
        }
        for index, rule in enumerate(rules)
    )
    return problem, Ensemble(
        tuple(known[f"W{layer}"] for layer in range(1, problem.layers + 1)),
        tuple(known.get(f"c{layer}") for layer in range(1, problem.layers + 1)),
        kept,
    )


def stored_observables(configuration: dict[str, Any], label: str) -> tuple[Observable, ...]:
    """Return the observables that a run recorded.

    Raises
    ------
    InputError
        If one is not registered here.
    """
    names = tuple(configuration.get("observe", ()))
    for name in names:
        if name not in OBSERVABLES.names():
            mend = where_from(
                configuration,
                f"observable {name}",
                f"register its function with @flowfa.observable({name!r}), or give `observe`",
            )
            raise InputError(
                f"{label} recorded the observable {name!r}, which is not known here: {mend}"
            )
    found = observables_of(names)
    compare_own_code(
        configuration, [(f"observable {entry.name}", entry.function) for entry in found], label
    )
    return found


def check_solvers(configuration: dict[str, Any], label: str) -> None:
    """Refuse a run whose solver is not registered here.

    Raises
    ------
    InputError
        Naming it.
    """
    by_rule = configuration.get("solver_by_rule") or {}
    for name in dict.fromkeys(by_rule.values()) or (configuration["solver"],):
        if is_registered(name):
            continue
        mend = where_from(
            configuration, f"solver {name}", f"register it with @flowfa.solver({name!r})"
        )
        raise InputError(
            f"{label} was integrated by the solver {name!r}, which is not registered here: {mend}"
        )


def stored_start_law(configuration: dict[str, Any], label: str) -> RandomStart | None:
    """Return the law that a run drew from at its start; None if its start was given as arrays.

    Raises
    ------
    InputError
        If the file does not say it, or it is not registered here.
    """
    name, parameters = configuration["init"], configuration.get("init_parameters")
    if parameters is None and name not in STARTS.names():
        return None
    if parameters is None and STARTS.get(name)().parameters():
        raise InputError(
            f"{label} does not say the parameters of its start {name!r}, from which feedback is "
            "drawn at each step: make the run again with the settings that flowfa info shows"
        )
    if name not in STARTS.names():
        mend = where_from(
            configuration, f"start {name}", f"register its class with @flowfa.start({name!r})"
        )
        raise InputError(
            f"{label} begins at the start {name!r}, which is not known here (known: "
            f"{', '.join(STARTS.names())}): {mend}"
        )
    return rebuilt(STARTS.get(name), parameters or {}, label)


def _loss(configuration: dict[str, Any], label: str, made_of: Problem | None) -> Loss:
    name, parameters = configuration["loss"], configuration.get("loss_parameters", {})
    if name not in LOSSES.names() and made_of is not None:
        loss = made_of.loss
        if (loss.name, recorded(loss)) == (name, parameters):
            return loss
    if name not in LOSSES.names():
        mend = where_from(
            configuration, f"loss {name}", f"register its class with @flowfa.loss({name!r})"
        )
        raise InputError(
            f"{label} has the loss {name!r}, which is not known here (known: "
            f"{', '.join(LOSSES.names())}): {mend}"
        )
    return rebuilt(LOSSES.get(name), parameters, label)


def _activation(configuration: dict[str, Any], label: str, made_of: Problem | None) -> Activation:
    if made_of is not None and configuration.get("activation") not in ACTIVATIONS.names():
        activation = made_of.activation
        if describe_activation(activation).items() <= configuration.items():
            return activation
    name = str(configuration.get("activation"))
    try:
        return stored_activation(configuration)
    except InputError as error:
        mend = where_from(configuration, f"activation {name}", "")
        raise InputError(f"{label}: {error}{mend and f'; {mend}'}") from None


def _twice(array: np.ndarray) -> np.ndarray:
    return np.concatenate([array, array])


def _rule(name: str, configuration: dict[str, Any], label: str, made_of: Problem | None) -> Rule:
    parameters = configuration["rule_parameters"][name]
    if name not in RULES.names():
        for rule in () if made_of is None else made_of.rules:
            if (rule.name, recorded(rule)) == (name, parameters):
                return rule
        mend = where_from(
            configuration,
            f"rule {name}",
            f"register its class with @flowfa.rule({name!r}), and check again",
        )
        raise InputError(
            f"{label} follows the rule {name!r}, which is not known here (known: "
            f"{', '.join(RULES.names())}): {mend}"
        )
    return rebuilt(RULES.get(name), parameters, label)

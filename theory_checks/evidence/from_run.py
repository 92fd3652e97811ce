"""From a finished run, in memory or in a file, to evidence."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from flowfa.datasets import Dataset
from flowfa.errors import InputError
from flowfa.flow.network_flow import NetworkFlow
from flowfa.flow.span import InputSpan
from flowfa.machine.device import DTYPES
from flowfa.problems import Problem
from flowfa.problems.activations import ACTIVATIONS, Activation
from flowfa.problems.activations.stored import describe_activation, stored_activation
from flowfa.problems.ensemble import Ensemble
from flowfa.problems.losses import LOSSES, Loss
from flowfa.problems.parameters import rebuilt, recorded
from flowfa.problems.rules import RULES, Rule
from flowfa.problems.starts import given_start
from flowfa.records.checksums import find_changes
from flowfa.records.names import CONDITION_LABELS
from flowfa.settings import TrainingSettings, declarations, validated
from flowfa.simulation.run import Run
from flowfa.simulation.train import step_rule
from flowfa.simulation.unfinished import UNFINISHED, load_run
from flowfa.solvers.hybrid import HybridSolver
from flowfa.solvers.one_hidden_layer.network import network
from flowfa.solvers.registry import is_registered
from theory_checks.evidence.evidence import ROUNDING, Evidence, Record
from theory_checks.evidence.from_flow import evidence_of_training, with_midpoints
from theory_checks.evidence.rungs import build_ladder
from theory_checks.evidence.shape import check_soundness

if TYPE_CHECKING:
    from xarray import DataTree

FORMATS = ("0.1",)
"""Versions of flowfa whose files are understood, without the last number."""
UNFIT = (
    ArithmeticError,
    AttributeError,
    IndexError,
    KeyError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""Errors that Python raises on a file whose contents are not as flowfa writes them."""


def evidence_of_run(run: Run | DataTree | str | FilePath, ladder: bool = False) -> Evidence:
    """Return evidence on a finished run.

    The flow is set up from what the run stored (data, weights at time 0, feedback) and from its
    configuration; states at more times, and at finer tolerances, are integrated when they are
    needed, on the CPU and in float64.

    Parameters
    ----------
    run : Run, xarray.DataTree, str or Path
        A path names a result file, or the checkpoint of a run that is not finished.
    ladder : bool
        Three rungs (rtol, rtol / 10, rtol / 100) instead of two.

    Raises
    ------
    InputError
        If it is no result of flowfa, is of an unknown version, was changed after it was written
        (by its checksums), or nothing in it got anywhere.
    """
    tree, label = _tree(run)
    made_of = run.problem if isinstance(run, Run) else None
    configuration = _configuration(tree, label)
    if changed := find_changes(tree):
        more = f", and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise InputError(f"{label}: {changed[0]}{more}: make the run again, or use a copy")
    try:
        check_soundness(tree, configuration, label)
        evidence = (
            _evidence_of_steps(tree, configuration, label, made_of)
            if configuration.get("kind") == "discrete"
            else _evidence(tree, configuration, ladder, label, made_of)
        )
    except UNFIT as error:
        raise InputError(
            f"{label} is not as flowfa writes it ({type(error).__name__}: {error}): make the run "
            "again, or use a copy"
        ) from error
    if tree.attrs.get("status") != UNFINISHED:
        return evidence
    return dataclasses.replace(
        evidence,
        note="the run is not finished (`resume=True` goes on): what there is of it is checked",
    )


def _evidence(
    tree: DataTree,
    configuration: dict[str, Any],
    ladder: bool,
    label: str,
    made_of: Problem | None,
) -> Evidence:
    flow = NetworkFlow(*_problem(tree, configuration, label, made_of))
    times = _tensor(tree.children["trajectory"].to_dataset()["time"].values)
    reached = _reached(tree, label)
    # In float32 the last time is the requested one but for rounding.
    statuses = Run(tree).statuses
    ended = torch.tensor([status == "ok" for status in statuses])
    reached = torch.where(ended, reached.clamp_min(float(times[-1])), reached)
    # The weights of the moment at which a condition stopped a trajectory are looked at like others.
    stopped = torch.tensor([status in CONDITION_LABELS for status in statuses])
    mesh = torch.cat([times, reached[stopped]]).unique()
    by_rule = configuration.get("solver_by_rule") or {}
    for solver in dict.fromkeys(by_rule.values()) or (configuration["solver"],):
        if not is_registered(solver):
            raise InputError(
                f"{label} was integrated by the solver {solver!r}, which is not registered here: "
                f"register it with @flowfa.solver({solver!r})"
            )
    rungs, run_rung = build_ladder(
        configuration["solver"],
        rungs=3 if ladder else 2,
        rtol=configuration["rtol"],
        atol=configuration["atol"],
        step=configuration["step"],
        control=configuration["controller"],
        max_steps=configuration["max_steps"],
        finer=_finer(flow),
        taken=_steps(tree),
        by_rule=by_rule,
    )
    return Evidence(
        flow=flow,
        motion=flow.field,
        initial=flow.initial,
        rungs=rungs,
        run_rung=run_rung,
        times=with_midpoints(mesh),
        rows=torch.arange(len(flow)),
        reached=reached,
        record=_record(tree, flow, times, configuration.get("dtype", "float64")),
        label=label,
    )


def _steps(tree: DataTree) -> int | None:
    """Return the most steps that a trajectory tried; None if the solver did not count."""
    solver = tree.children["solver"].to_dataset()
    steps, rejected = (solver[name].values for name in ("steps", "rejected"))
    return None if steps.min() < 0 else int((steps + rejected.clip(min=0)).max())


def _reached(tree: DataTree, label: str) -> Tensor:
    """Return the time of the last good state of each trajectory; some must have got somewhere."""
    solver = tree.children["solver"].to_dataset()
    reached = _tensor(solver["t_reached"].values)
    if not bool((reached > 0.0).any()):
        status = ", ".join(sorted(set(solver["status"].values.astype(str))))
        raise InputError(
            f"{label} has no trajectory that got beyond t = 0 ({status}), so there is nothing to "
            "check: flowfa info says why they ended"
        )
    return reached


def _evidence_of_steps(
    tree: DataTree, configuration: dict[str, Any], label: str, made_of: Problem | None
) -> Evidence:
    """Return evidence on discrete training: its steps, to be taken again."""
    _reached(tree, label)
    known = declarations(TrainingSettings)
    settings = validated(TrainingSettings(**{k: v for k, v in configuration.items() if k in known}))
    variants = len(settings.variants)
    problem, ensemble = _problem(tree, configuration, label, made_of, variants)
    flow = NetworkFlow(
        problem,
        ensemble,
        dtype=DTYPES[settings.dtype],
        repeats=variants,
        reduce=settings.weight_decay == 0.0,
    )
    trajectory = tree.children["trajectory"].to_dataset()
    done = np.asarray(tree.children["solver"].to_dataset()["steps"].values)
    times = _tensor(trajectory["time"].values)
    return evidence_of_training(
        flow,
        step_rule(flow, settings, ensemble.starts, int(configuration["seed"])),
        np.asarray(trajectory["step"].values),
        done=done,
        axis=times,
        record=_record(tree, flow, times, settings.dtype),
        label=label,
        threads=int(tree.attrs["threads"]),
    )


def _finer(flow: NetworkFlow) -> str | None:
    """Return the solver for finer rungs: the one that no kink and no sliding mode stops."""
    try:
        network(flow.field, HybridSolver.name)
    except InputError:
        return None
    return HybridSolver.name if flow.field.leak < 1.0 else None


def _tree(run: Run | DataTree | str | FilePath) -> tuple[DataTree, str]:
    if isinstance(run, str | FilePath):
        return load_run(run), str(run)
    if isinstance(run, Run):
        return run.tree, "the run" if run.path is None else str(run.path)
    if not isinstance(run, xr.DataTree):
        shown = "None" if run is None else f"of type {type(run).__name__}"
        raise InputError(
            f"`run` is {shown}: expected what flowfa.simulate, flowfa.train or flowfa.load "
            "returns, or the name of its file"
        )
    return run, "the run"


def _configuration(tree: DataTree, label: str) -> dict[str, Any]:
    """Return the stored configuration of a file that can be understood."""
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


def _problem(
    tree: DataTree,
    configuration: dict[str, Any],
    label: str,
    made_of: Problem | None,
    repeats: int = 1,
) -> tuple[Problem, Ensemble]:
    """Return the problem and its networks at time 0, as stored, `repeats` times in a row each.

    A rule, loss or activation that is not registered is taken from the problem at hand, if any.
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
    # If a class has no sample, only the number of outputs tells that it exists.
    outputs = start.sizes[-1]
    classes = outputs if outputs > 1 and y.ndim < X.ndim else 0
    problem = Problem(
        Dataset(X, y, label, classes=classes),
        activation=_activation(configuration, label, made_of),
        rule=rules,
        loss=_loss(configuration, label, made_of),
        initial=start,
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


def _loss(configuration: dict[str, Any], label: str, made_of: Problem | None) -> Loss:
    name, parameters = configuration["loss"], configuration.get("loss_parameters", {})
    if name not in LOSSES.names() and made_of is not None:
        loss = made_of.loss
        if (loss.name, recorded(loss)) == (name, parameters):
            return loss
    return rebuilt(LOSSES.get(name), parameters, label)


def _activation(configuration: dict[str, Any], label: str, made_of: Problem | None) -> Activation:
    if made_of is not None and configuration.get("activation") not in ACTIVATIONS.names():
        activation = made_of.activation
        if describe_activation(activation).items() <= configuration.items():
            return activation
    try:
        return stored_activation(configuration)
    except InputError as error:
        raise InputError(f"{label}: {error}") from None


def _twice(array: np.ndarray) -> np.ndarray:
    return np.concatenate([array, array])


def _rule(name: str, configuration: dict[str, Any], label: str, made_of: Problem | None) -> Rule:
    parameters = configuration["rule_parameters"][name]
    if name not in RULES.names():
        for rule in () if made_of is None else made_of.rules:
            if (rule.name, recorded(rule)) == (name, parameters):
                return rule
        raise InputError(
            f"{label} follows the rule {name!r}, which is not known here (known: "
            f"{', '.join(RULES.names())}): register its class with @flowfa.rule({name!r}), and "
            "check again"
        )
    return rebuilt(RULES.get(name), parameters, label)


def _record(tree: DataTree, flow: NetworkFlow, times: Tensor, dtype: str) -> Record:
    """Return what is stored, the weights in the flow's own coordinates."""
    weights = tree["weights"].to_dataset()
    when = _tensor(weights["snapshot_time"].values)
    states, outside = [], []
    inputs = _tensor(flow.problem.data.X)
    for column in range(when.shape[1]):
        parameters = {name: _tensor(weights[name].values[:, column]) for name in flow.layout.shapes}
        span = InputSpan(
            inputs, parameters["W1"], torch.tensor(flow.starts), reduce=flow.span.reduced
        )
        states.append(flow.layout.pack(parameters | {"W1": span.coordinates}))
        outside.append(span.outside_norm2)
    observables = {
        str(name): _tensor(array.values)
        for name, array in tree["trajectory"].to_dataset().data_vars.items()
    }
    observables["conserved"] = _tensor(tree.children["neurons"].to_dataset()["conserved"].values)
    observables["kappa"] = _tensor(tree.children["neurons"].to_dataset()["kappa"].values)
    # Evidence is integrated in float64, even if the run was in float32.
    coarseness = torch.finfo(DTYPES[dtype]).eps / torch.finfo(torch.float64).eps
    return Record(
        torch.stack(states, 1),
        torch.stack(outside, 1),
        when,
        times,
        observables,
        ROUNDING * coarseness,
    )


def _tensor(array: np.ndarray) -> Tensor:
    return torch.tensor(np.asarray(array, dtype=np.float64))

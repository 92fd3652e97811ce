"""From a finished run, in memory or in a file, to evidence."""

from __future__ import annotations

import dataclasses
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from flowfa.errors import InputError
from flowfa.flow.network_flow import NetworkFlow
from flowfa.flow.span import InputSpan
from flowfa.machine.device import DTYPES
from flowfa.problems import Problem
from flowfa.records.checksums import find_changes
from flowfa.records.names import CONDITION_LABELS, MOVING
from flowfa.settings import TrainingSettings, declarations, validated
from flowfa.simulation.run import Run
from flowfa.simulation.stored import check_solvers, stored_configuration, stored_problem
from flowfa.simulation.training_run import step_rule
from flowfa.simulation.unfinished import UNFINISHED, load_run
from flowfa.solvers.hybrid import HybridSolver
from flowfa.solvers.one_hidden_layer.network import network
from theory_checks.evidence.evidence import ROUNDING, Evidence, Record
from theory_checks.evidence.from_flow import evidence_of_training, with_midpoints
from theory_checks.evidence.rungs import build_ladder
from theory_checks.evidence.shape import check_soundness

if TYPE_CHECKING:
    from xarray import DataTree

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
    configuration = stored_configuration(tree, label)
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
    flow = NetworkFlow(*stored_problem(tree, configuration, label, made_of))
    times = _tensor(tree.children["trajectory"].to_dataset()["time"].values)
    reached = _reached(tree, label)
    # In float32 the last time is the requested one but for rounding.
    statuses = Run(tree).statuses
    ended = torch.tensor([status == "ok" for status in statuses])
    reached = torch.where(ended, reached.clamp_min(float(times[-1])), reached)
    # The weights of the moment at which a condition stopped a trajectory are looked at like others.
    stopped = torch.tensor([status in CONDITION_LABELS for status in statuses])
    mesh = torch.cat([times, reached[stopped]]).unique()
    check_solvers(configuration, label)
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
        by_rule=configuration.get("solver_by_rule") or {},
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
    problem, ensemble = stored_problem(tree, configuration, label, made_of, variants)
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


def _record(tree: DataTree, flow: NetworkFlow, times: Tensor, dtype: str) -> Record:
    """Return what is stored, the weights in the flow's own coordinates."""
    weights = tree["weights"].to_dataset()
    when = _tensor(weights["snapshot_time"].values)
    states, outside = [], []
    inputs = _tensor(flow.problem.data.X)
    for column in range(when.shape[1]):
        parameters = {name: _tensor(weights[name].values[:, column]) for name in flow.layout.shapes}
        for name in flow.layout.moving:
            matrix = _tensor(weights[MOVING + name].values[:, column])
            matrix[torch.from_numpy(~flow.moves(name))] = 0.0
            parameters[name] = matrix
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

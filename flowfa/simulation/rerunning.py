"""A run made again from its file alone, as it was or with other settings.

What is simulated comes from the file: samples, weights and feedback at time 0, rules, loss. How it
moves comes from the configuration that the file holds, with what the caller changes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from flowfa.errors import InputError
from flowfa.files.atomic import check_place
from flowfa.files.paths import as_path
from flowfa.flow.network_flow import NetworkFlow
from flowfa.flow.observable_registry import Observable, observables_of
from flowfa.machine.device import DTYPES, find_device
from flowfa.machine.thread_scope import chosen_threads
from flowfa.problems.problem import Problem
from flowfa.records import load
from flowfa.records.checksums import find_changes
from flowfa.registry import unknown_name
from flowfa.settings import (
    FlowSettings,
    StorageSettings,
    TrainingSettings,
    declarations,
    validated,
)
from flowfa.settings.flow import absolute_tolerance
from flowfa.simulation.description import describe_flow, describe_motion, solvers_of
from flowfa.simulation.flow_run import flow_job
from flowfa.simulation.job import Job
from flowfa.simulation.own_code import own_code_of
from flowfa.simulation.run import Run
from flowfa.simulation.stepper import flow_stepper
from flowfa.simulation.stored import (
    check_solvers,
    stored_configuration,
    stored_observables,
    stored_problem,
    stored_start_law,
)
from flowfa.simulation.training_run import describe_steps, training_job
from flowfa.solvers.choice import Choice, choose
from flowfa.studies.notebook import shown_by
from flowfa.studies.progress import Progress

if TYPE_CHECKING:
    from xarray import DataTree

_TIMES = ("save", "spacing", "first_save", "save_at")
"""Settings that together say which times are recorded, so that a new one replaces the others."""
_MOTION = ("layer_rates", "weight_decay")
"""Settings of the problem that a rerun may change."""
_RESULTS = ("trajectory", "weights", "neurons", "data", "solver", "continuation")
"""Groups of a file that a rerun gives again; verdicts are another command's."""


def rerun(
    run: Run | str | Path,
    *,
    path: str | Path | None = None,
    overwrite: bool = False,
    resume: bool = False,
    checkpoint_every: float = StorageSettings.checkpoint_every,
    progress: Progress | bool | None = None,
    argv: Sequence[str] = (),
    threads: int | None = None,
    **changes: Any,
) -> Run:
    """Make a run again from its result file alone, as it was or with other settings.

    Without changes every variable of the result is that of the file, bit for bit with the same
    software on the same machine (`find_difference` compares). The networks at time 0 and the
    samples are those in the file, wherever they came from.

    Parameters
    ----------
    run : Run, str or Path
        What `flowfa.simulate` or `flowfa.train` returned, or its file.
    path : str or Path, optional
        Where the result goes; without it everything stays in memory.
    overwrite, resume, checkpoint_every, progress, argv
        As `flowfa.simulate`.
    threads : int, optional
        CPU threads; by default as many as the run had.
    **changes
        Settings of `flowfa.simulate` (of `flowfa.train` for discrete training) that take the place
        of those in the file: ``rtol=1e-8``, ``t_end=200.0``; and `layer_rates` and `weight_decay`
        of `flowfa.Problem`.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        If the run cannot be made again, with the reason; nothing has been written then.
    Interrupted
        After SIGINT or SIGTERM; the checkpoint is kept.

    Examples
    --------
    >>> import flowfa
    >>> data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, lambda_=0.1, seed=1)
    >>> run = flowfa.simulate(flowfa.Problem(data, widths=(5,)), 2, t_end=10.0)
    >>> again = flowfa.rerun(run)
    >>> flowfa.simulation.rerunning.find_difference(run.tree, again.tree) is None
    True
    >>> finer = flowfa.rerun(run, rtol=1e-8)
    """
    made_of = run.problem if isinstance(run, Run) else None
    if isinstance(run, Run):
        tree, label = run.tree, "the run" if run.path is None else str(run.path)
    else:
        tree, label = load(as_path(run)), str(run)
    if path is not None:
        check_place(as_path(path), overwrite or resume)
    if resume and path is None:
        raise InputError(
            "`resume` is True, but there is no `path` to continue: give the result file"
        )
    with _threads(tree, threads):
        job = _job(tree, label, changes, made_of, path, list(argv), shown_by(progress))
        if path is None:
            return job.in_memory()
        return job.on_disk(as_path(path), overwrite, resume, checkpoint_every)


def find_difference(first: DataTree, second: DataTree) -> str | None:
    """Return the first variable, as ``/group/name``, whose values two results do not share.

    Parameters
    ----------
    first, second : xarray.DataTree
        As `flowfa.load` returns them. Verdicts and the root attributes are not compared.
    """
    for group in _RESULTS:
        if (group in first.children) != (group in second.children):
            return f"/{group}"
        if group not in first.children:
            continue
        one, other = (tree.children[group].to_dataset() for tree in (first, second))
        for name in sorted({*map(str, one.variables), *map(str, other.variables)}):
            if name not in one.variables or name not in other.variables:
                return f"/{group}/{name}"
            if not _same(one[name].values, other[name].values):
                return f"/{group}/{name}"
    return None


def _same(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether two arrays have the same bits, of texts the same characters."""
    if first.shape != second.shape:
        return False
    if first.dtype.kind in "OUST" or second.dtype.kind in "OUST":
        return first.astype(str).tolist() == second.astype(str).tolist()
    if first.dtype != second.dtype:
        return False
    if first.dtype.kind == "f":
        # Every NaN means "not reached", whatever its other bits.
        first, second = (np.where(np.isnan(array), np.nan, array) for array in (first, second))
    return first.tobytes() == second.tobytes()


@contextmanager
def _threads(tree: DataTree, asked: int | None) -> Iterator[None]:
    """Compute with the threads that were asked for, else with those of the run."""
    if asked is not None:
        with chosen_threads(asked):
            yield
        return
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(int(tree.attrs.get("threads", before)))
        yield
    finally:
        torch.set_num_threads(before)


def _job(
    tree: DataTree,
    label: str,
    changes: Mapping[str, Any],
    made_of: Problem | None,
    path: str | Path | None,
    argv: list[str],
    progress: Progress | None,
) -> Job:
    configuration = stored_configuration(tree, label)
    if changed := find_changes(tree):
        raise InputError(f"{label}: {changed[0]}: make the run again, or use a copy")
    if configuration.get("kind") == "discrete":
        return _training_job(tree, configuration, label, changes, made_of, path, argv, progress)
    return _flow_job(tree, configuration, label, changes, made_of, argv, progress)


def _flow_job(
    tree: DataTree,
    configuration: dict[str, Any],
    label: str,
    changes: Mapping[str, Any],
    made_of: Problem | None,
    argv: list[str],
    progress: Progress | None,
) -> Job:
    settings = _changed(FlowSettings, configuration, changes, label)
    problem, ensemble = stored_problem(tree, configuration, label, made_of)
    problem, configuration = _moved(problem, configuration, changes)
    choice = _choice(configuration, changes, settings, problem, label)
    if changes:
        asked = changes.get("solver", configuration["solver_asked"])
        moved = describe_flow(dataclasses.replace(settings, solver=asked), choice)
        configuration = _without_old_times(configuration, changes) | moved
    observables = _observables(configuration, changes, settings, label)
    configuration = _with_own_code(configuration, problem, observables, solvers_of(choice))
    flow = NetworkFlow(problem, ensemble, find_device(settings.device), DTYPES[settings.dtype])
    stepper = flow_stepper(settings, choice.name, choice.by_rule)
    return flow_job(
        flow, stepper, settings, configuration, observables, argv=argv, progress=progress
    )


def _training_job(
    tree: DataTree,
    configuration: dict[str, Any],
    label: str,
    changes: Mapping[str, Any],
    made_of: Problem | None,
    path: str | Path | None,
    argv: list[str],
    progress: Progress | None,
) -> Job:
    before = _changed(TrainingSettings, configuration, {}, label)
    settings = _changed(TrainingSettings, configuration, changes, label)
    problem, ensemble = stored_problem(
        tree, configuration, label, made_of, repeats=len(before.variants)
    )
    problem, configuration = _moved(problem, configuration, changes)
    law = None
    if any(rule.redrawn for rule in problem.rules):
        law = stored_start_law(configuration, label)
    if changes:
        configuration = configuration | describe_steps(settings)
    observables = _observables(configuration, changes, settings, label)
    configuration = _with_own_code(configuration, problem, observables)
    return training_job(
        problem,
        ensemble,
        settings,
        int(configuration["seed"]),
        configuration,
        observables,
        path=path,
        argv=argv,
        progress=progress,
        law=law,
    )


def _changed(
    group: type, configuration: Mapping[str, Any], changes: Mapping[str, Any], label: str
) -> Any:
    """Return the settings of a run with those that replace them."""
    known = declarations(group)
    for name in changes:
        if name not in known and name not in _MOTION:
            raise unknown_name(f"setting of {label}:", name, (*known, *_MOTION))
    settings = {name: value for name, value in configuration.items() if name in known}
    _drop_what_follows(settings, configuration, changes)
    changed = {name: value for name, value in changes.items() if name in known}
    return validated(group(**{**settings, **changed}))


def _moved(
    problem: Problem, configuration: dict[str, Any], changes: Mapping[str, Any]
) -> tuple[Problem, dict[str, Any]]:
    """Return a problem with other rates or decay of layers, and the configuration that says so."""
    motion = {name: changes[name] for name in _MOTION if name in changes}
    if not motion:
        return problem, configuration
    problem = problem.moving(**motion)
    kept = {name: value for name, value in configuration.items() if name not in _MOTION}
    return problem, kept | describe_motion(problem)


def _drop_what_follows(
    settings: dict[str, Any], configuration: Mapping[str, Any], changes: Mapping[str, Any]
) -> None:
    """Leave out what the file holds only because it followed from settings that change now."""
    times = [name for name in _TIMES if name in changes]
    if "save_at" in changes or (times and settings.get("save_at") is not None):
        for name in _TIMES:
            settings.pop(name, None)
    elif settings.get("save_at") is not None:
        settings.pop("save", None)
    if times and "snapshots" not in changes:
        settings.pop("snapshots", None)
    if "rtol" in changes and settings.get("atol") == absolute_tolerance(configuration["rtol"]):
        settings.pop("atol", None)
    if "solver" in changes:
        settings.pop("step", None)
    # The number of steps and the end of a training follow from each other.
    for given, other in (("steps", "t_end"), ("t_end", "steps")):
        if configuration.get("kind") == "discrete" and given in changes:
            settings.pop(other, None)


def _choice(
    configuration: dict[str, Any],
    changes: Mapping[str, Any],
    settings: FlowSettings,
    problem: Problem,
    label: str,
) -> Choice:
    """Return the solver of the run; another one if what it was chosen for has changed."""
    asked = changes.get("solver", configuration["solver_asked"])
    chosen_for = {"rtol", "device", "dtype", *_MOTION}
    decays = "weight_decay" in changes
    if "solver" in changes or decays or (asked == "auto" and chosen_for & changes.keys()):
        return choose(
            asked, problem, rtol=settings.rtol, device=settings.device, dtype=settings.dtype
        )
    check_solvers(configuration, label)
    by_rule = configuration.get("solver_by_rule") or {}
    return Choice(configuration["solver"], configuration["solver_reason"], by_rule)


def _observables(
    configuration: dict[str, Any],
    changes: Mapping[str, Any],
    settings: FlowSettings | TrainingSettings,
    label: str,
) -> tuple[Observable, ...]:
    if "observe" in changes:
        return observables_of(settings.observe)
    return stored_observables(configuration, label)


def _with_own_code(
    configuration: Mapping[str, Any],
    problem: Problem,
    observables: Sequence[Observable],
    solvers: Sequence[str] = (),
) -> dict[str, Any]:
    """Return a configuration that names the files that are at hand now."""
    kept = {name: value for name, value in configuration.items() if name != "imports"}
    return {**kept, **own_code_of(problem, observables, solvers)}


def _without_old_times(
    configuration: Mapping[str, Any], changes: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a configuration without the snapshots of times that are others now."""
    replaced = {"solver_by_rule"}
    if {"t_end", "snapshots", *_TIMES} & changes.keys():
        replaced.add("snapshot_columns")
    return {name: value for name, value in configuration.items() if name not in replaced}

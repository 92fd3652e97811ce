"""A sweep over widths and rules, one after the other, that resumes where it was stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
import xarray as xr

from flowfa.deviation.memory import check_memory
from flowfa.deviation.study import check_problem, study
from flowfa.errors import InputError
from flowfa.files.atomic import check_place, make_folder
from flowfa.files.lock import sole_writer
from flowfa.machine.thread_scope import in_chosen_threads
from flowfa.problems.ensemble import build_ensemble
from flowfa.problems.problem import Problem
from flowfa.records.checkpoint import compare_configurations
from flowfa.records.dataset_file import read_dataset, write_dataset
from flowfa.settings import DeviationSettings, validated
from flowfa.simulation.description import describe_problem
from flowfa.simulation.provenance import attributes
from flowfa.studies.beginning import goes_on
from flowfa.studies.parts import Parts
from flowfa.studies.progress import Progress, ProgressState
from flowfa.studies.study import Session, Study

PARTS = "parts"
"""Folder of the finished parts, each a width and a rule."""
RESULT = "deviation.nc"


@in_chosen_threads
def sweep(
    problems: Mapping[str, Problem],
    trajectories: int,
    settings: DeviationSettings,
    *,
    folder: Path,
    seed: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    argv: tuple[str, ...] = (),
) -> xr.Dataset:
    """Study every rule of every problem, and keep the result in a folder.

    Parameters
    ----------
    problems : mapping of str to Problem
        By architecture: ``"100"``, ``"50-50"``. All of the same rules and depth.
    trajectories : int
        Starts.
    settings : DeviationSettings
    folder : Path
        Gets ``deviation.nc``; while the sweep runs, finished parts.
    seed : int
    resume : bool
        Go on with the parts that are there; a sweep that is complete is read.
    overwrite : bool
        Replace a result that is there.
    progress : Progress, optional
    argv : tuple of str
        The command line, for the record.

    Returns
    -------
    xarray.Dataset
        With the dimensions architecture and rule in front of those of `study`.

    Raises
    ------
    InputError
        If the problems or the folder do not fit.
    Interrupted
        After SIGINT or SIGTERM; finished parts are kept.
    """
    settings = validated(settings)
    if not problems:
        raise InputError("no width was given: give at least one, such as `widths=(15, 50, 200)`")
    for problem in problems.values():
        check_problem(problem)
        check_memory(problem, settings)
    parts, result = Parts(folder / PARTS), folder / RESULT
    asked = _asked(problems, trajectories, settings, seed)
    if resume and result.exists() and not parts.begun():
        # The sweep was killed between its last part and its report: all numbers are there.
        return _complete(result, asked)
    with _begun(folder, parts, resume, overwrite) as go_on:
        if go_on:
            parts.go_on(asked)
        else:
            parts.begin(asked)
        merged = _studied(problems, trajectories, settings, seed, parts, result, progress)
        merged.attrs.update(attributes(list(argv), torch.device("cpu")))
        merged.attrs["config"] = json.dumps(asked)
        merged.attrs["threads"] = torch.get_num_threads()
        write_dataset(merged, result)
        parts.remove()
    return merged


def _studied(
    problems: Mapping[str, Problem],
    trajectories: int,
    settings: DeviationSettings,
    seed: int,
    parts: Parts,
    result: Path,
    progress: Progress | None,
) -> xr.Dataset:
    """Study what is not among the finished parts; return all of them as one data set."""
    units = {
        f"{name}-{rule.name}": (name, index, rule.name)
        for name, problem in problems.items()
        for index, rule in enumerate(problem.rules)
    }
    study_of_all = Study(
        dict.fromkeys(units, 1.0), result=result, kept=parts.folder, progress=progress
    )
    datasets: dict[tuple[str, str], xr.Dataset] = {}
    with study_of_all:
        for unit, (name, index, rule) in units.items():
            session, what = study_of_all.session(unit), f"width {name}, {rule}"
            if parts.has(unit):
                session.begin(1.0)
            else:
                session.begin()
                monitor = partial(_pause, session, what)
                measured = study(
                    problems[name], index, trajectories, settings, seed=seed, monitor=monitor
                )
                parts.write(unit, measured)
            datasets[name, rule] = parts.read(unit)
            session.finish(what)
    return _merged(problems, datasets)


def _pause(session: Session, unit: str, what: str, share: float) -> None:
    session.pause(lambda: ProgressState(share, f"{unit}: {what}"))


def _asked(
    problems: Mapping[str, Problem], trajectories: int, settings: DeviationSettings, seed: int
) -> dict[str, Any]:
    """Return what determines the numbers, JSON-ready."""
    described = {
        name: describe_problem(problem, build_ensemble(problem, trajectories, seed), seed)
        for name, problem in problems.items()
    }
    document = {"problems": described, "trajectories": trajectories, "seed": seed}
    return json.loads(json.dumps(document | dataclasses.asdict(settings)))


def _complete(result: Path, asked: dict[str, Any]) -> xr.Dataset:
    """Return what a finished sweep of the same settings found."""
    data = read_dataset(result)
    compare_configurations(json.loads(data.attrs["config"]), asked)
    return data


@contextlib.contextmanager
def _begun(folder: Path, parts: Parts, resume: bool, overwrite: bool) -> Iterator[bool]:
    """Make the folder unless that would replace something, and hold its lock.

    Yields whether the sweep goes on.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give another `out`")
    if not folder.absolute().parent.is_dir():
        raise InputError(f"there is no folder {folder.parent}: create it, or choose another `out`")
    # The lock is beside the folder, which is not made before it is known that the sweep begins.
    with sole_writer(folder, "out"):
        go_on = goes_on(
            folder / RESULT,
            parts.folder,
            begun=parts.begun(),
            resume=resume,
            overwrite=overwrite,
        )
        if not go_on:
            make_folder(folder)
            check_place(folder / RESULT, overwrite)
        yield go_on


def _merged(
    problems: Mapping[str, Problem], datasets: dict[tuple[str, str], xr.Dataset]
) -> xr.Dataset:
    rows = []
    for name, problem in problems.items():
        parts = [datasets[name, rule.name].assign_coords(rule=rule.name) for rule in problem.rules]
        row = xr.concat(parts, "rule", data_vars="all", coords="minimal", compat="override")
        rows.append(row.assign_coords(architecture=name))
    merged = xr.concat(rows, "architecture", data_vars="all", coords="minimal", compat="override")
    assert isinstance(merged, xr.Dataset)
    return merged

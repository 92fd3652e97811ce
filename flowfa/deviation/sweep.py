"""A sweep over widths and rules, one after the other, that resumes where it was stopped."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import xarray as xr

from flowfa.deviation.memory import check_memory
from flowfa.deviation.study import check_problem, study
from flowfa.errors import InputError, Interrupted
from flowfa.files.atomic import make_folder, replacing
from flowfa.problems.ensemble import build_ensemble
from flowfa.problems.problem import Problem
from flowfa.settings import DeviationSettings, validated
from flowfa.simulation.description import describe_problem
from flowfa.simulation.provenance import attributes
from flowfa.studies.interruption import StopRequest

PARTS = "parts"
"""Folder of the finished parts, each a width and a rule."""
BEGUN = "asked.json"
"""File among them: what was asked for, and how many threads compute it."""
RESULT = "deviation.nc"

_OTHER = (
    "the sweep in {} was asked for with other settings: give the same, or begin anew with "
    "--overwrite instead of --resume"
)

Tell = Callable[[str, float], None]
"""Told what is being done and the share of the sweep that is done."""


def sweep(
    problems: Mapping[str, Problem],
    trajectories: int,
    settings: DeviationSettings,
    *,
    folder: Path,
    seed: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    tell: Tell = lambda what, share: None,
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
    tell : callable, optional
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
    parts, result = folder / PARTS, folder / RESULT
    asked = _asked(problems, trajectories, settings, seed)
    if resume and result.exists() and not (parts / BEGUN).exists():
        # Killed after the last part, before its report: all numbers are there.
        return _complete(result, asked)
    _check_folder(folder, asked, resume, overwrite)
    if resume:
        # The same number of threads, for the same rounding in every matrix product.
        torch.set_num_threads(_begun(folder)["threads"])
    else:
        make_folder(folder)
        make_folder(parts)
        with replacing(parts / BEGUN) as partial:
            partial.write_text(json.dumps({"asked": asked, "threads": torch.get_num_threads()}))
    units = [
        (name, index, rule.name)
        for name, problem in problems.items()
        for index, rule in enumerate(problem.rules)
    ]
    found: dict[tuple[str, str], xr.Dataset] = {}
    with StopRequest() as stop:
        for place, (name, index, rule) in enumerate(units):

            def monitor(
                what: str, share: float, name: str = name, rule: str = rule, place: int = place
            ) -> None:
                tell(f"width {name}, {rule}: {what}", (place + share) / len(units))
                if stop.received is not None:
                    kept = sum(1 for _ in parts.glob("*.nc"))
                    raise Interrupted(
                        f"stopped in width {name}, {rule}; {kept} of {len(units)} parts are kept "
                        f"in {parts}: the same command with --resume goes on",
                        stop.received,
                    )

            file = parts / f"{name}-{rule}.nc"
            if not file.exists():
                part = study(
                    problems[name], index, trajectories, settings, seed=seed, monitor=monitor
                )
                with replacing(file) as partial:
                    part.to_netcdf(partial, engine="h5netcdf")
            with xr.open_dataset(file, engine="h5netcdf") as opened:
                found[name, rule] = opened.load()
            monitor("done", 1.0)
    merged = _merged(problems, found)
    merged.attrs.update(attributes(list(argv), torch.device("cpu")))
    merged.attrs["config"] = json.dumps(asked)
    merged.attrs["threads"] = torch.get_num_threads()
    with replacing(result) as partial:
        merged.to_netcdf(partial, engine="h5netcdf")
    shutil.rmtree(parts)
    return merged


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
    with xr.open_dataset(result, engine="h5netcdf") as opened:
        if json.loads(opened.attrs["config"]) != asked:
            raise InputError(_OTHER.format(result.parent))
        return opened.load()


def _begun(folder: Path) -> dict[str, Any]:
    return json.loads((folder / PARTS / BEGUN).read_text())


def _check_folder(folder: Path, asked: dict[str, Any], resume: bool, overwrite: bool) -> None:
    """Refuse to mix sweeps, or to replace one that nobody gave up."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give another --out")
    begun = folder / PARTS / BEGUN
    if resume:
        if not begun.exists():
            raise InputError(
                f"there is nothing to resume: no sweep was begun in {folder}; leave out --resume"
            )
        if _begun(folder)["asked"] != asked:
            raise InputError(_OTHER.format(folder))
        return
    if overwrite:
        if (folder / PARTS).is_dir():
            shutil.rmtree(folder / PARTS)
        return
    if begun.exists():
        raise InputError(
            f"there is an unfinished sweep in {folder}: continue it with --resume, or drop it with "
            "--overwrite"
        )
    if (folder / RESULT).exists():
        raise InputError(
            f"{folder / RESULT} exists: choose another --out, or replace it with --overwrite"
        )


def _merged(
    problems: Mapping[str, Problem], found: dict[tuple[str, str], xr.Dataset]
) -> xr.Dataset:
    rows = []
    for name, problem in problems.items():
        parts = [found[name, rule.name].assign_coords(rule=rule.name) for rule in problem.rules]
        row = xr.concat(parts, "rule", data_vars="all", coords="minimal", compat="override")
        rows.append(row.assign_coords(architecture=name))
    merged = xr.concat(rows, "architecture", data_vars="all", coords="minimal", compat="override")
    assert isinstance(merged, xr.Dataset)
    return merged

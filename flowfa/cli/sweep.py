"""``flowfa sweep``, and its ``status``, ``resume`` and ``collect``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flowfa.cli.console import say, say_json
from flowfa.cli.progress import ProgressBar
from flowfa.errors import InputError
from flowfa.files.atomic import check_place, make_folder
from flowfa.files.lock import sole_writer
from flowfa.settings.sweep import (
    EngineSettings,
    SweepCollectSettings,
    SweepResumeSettings,
    SweepSettings,
    SweepStatusSettings,
)

if TYPE_CHECKING:
    from flowfa.simulation.run import Run
    from flowfa.sweeps import Plan, SweepFolder

SOME_FAILED = 3
CHECKER = "flowfa.cli.sweep:add_verdicts"
_MOST_TOLD = 5
"""Failures that are told one by one."""


def sweep(settings: SweepSettings) -> int:
    """Compute all cells that a file asks for, or say what they will take.

    Returns
    -------
    int
        0, or 3 if a cell failed or is still being computed by somebody else.

    Raises
    ------
    FlowfaError
        If the sweep cannot begin, or was stopped by a signal.
    """
    from flowfa.sweeps import SweepFolder, make_plan, read_definition

    plan = make_plan(read_definition(settings.file), settings.check)
    if settings.dry_run:
        return _tell_plan(plan, settings)
    default = Path(settings.file).with_suffix("")
    folder = SweepFolder(default if settings.out is None else settings.out)
    if not folder.path.absolute().parent.is_dir():
        raise InputError(
            f"there is no folder {folder.path.parent}: create it, or choose another `out`"
        )
    if not folder.path.exists():
        make_folder(folder.path)
    with sole_writer(folder.path, "out"):
        folder.begin(plan)
        return _work(folder, plan, settings)


def resume(settings: SweepResumeSettings) -> int:
    """Compute the cells that are missing; returns and raises as `sweep`."""
    from flowfa.sweeps import SweepFolder

    folder = SweepFolder(settings.folder)
    plan = folder.plan(same_code=True)
    with sole_writer(folder.path, None):
        return _work(folder, plan, settings)


def _work(folder: SweepFolder, plan: Plan, settings: SweepSettings | SweepResumeSettings) -> int:
    start = time.perf_counter()
    folder.forget_failures(plan)
    damaged = folder.forget_damaged(plan)
    left = len(folder.left(plan))
    verbose = not (settings.quiet or settings.json)
    if verbose:
        if damaged:
            say(f"damaged: {damaged[0]}{_and_others(damaged)}, computed again")
        say(f"{len(plan.cells)} cells, {left} to compute, in {folder.path}")
    with ProgressBar(settings.quiet) as progress:
        _by_engine(folder, plan, settings, progress)
    if settings.detach:
        say(f"submitted; see flowfa sweep status {folder.path}")
        return 0
    status = _tell(folder, plan, settings.json, verbose, time.perf_counter() - start)
    return SOME_FAILED if folder.left(plan) else status


def _by_engine(
    folder: SweepFolder, plan: Plan, engine: EngineSettings, progress: ProgressBar
) -> None:
    checker = CHECKER if plan.check else ""
    if engine.workers is not None:
        from flowfa.sweeps.local import work_side_by_side

        work_side_by_side(folder, plan, engine.workers, checker=checker, progress=progress)
    elif engine.scheduler or engine.scheduler_file:
        from flowfa.sweeps.cluster import work_on_cluster

        work_on_cluster(
            folder,
            plan,
            address=engine.scheduler,
            file=engine.scheduler_file,
            resource=engine.resource,
            detach=engine.detach,
            checker=checker,
            progress=progress,
        )
    else:
        from flowfa.machine.allocator import keep_freed_memory
        from flowfa.sweeps import work_through

        keep_freed_memory()
        check = add_verdicts if plan.check else None
        work_through(folder, plan, checker=check, progress=progress)


def status(settings: SweepStatusSettings) -> int:
    """Say how a sweep stands; returns 0, or 3 if a cell failed."""
    from flowfa.sweeps import SweepFolder

    folder = SweepFolder(settings.folder)
    return _tell(folder, folder.plan(), settings.json, verbose=not settings.json)


def collect(settings: SweepCollectSettings) -> int:
    """Make one data set of a sweep.

    Raises
    ------
    InputError
        If there is no sweep, or the data set cannot be written.
    """
    from flowfa.records.collection import write_collection
    from flowfa.sweeps import SweepFolder, collect
    from flowfa.sweeps.collecting import DAMAGED

    folder = SweepFolder(settings.folder)
    plan = folder.plan()
    out = Path(settings.out or f"{str(folder.path).rstrip('/')}.nc")
    if out.suffix == ".zarr":
        if out.exists() and not settings.overwrite:
            raise InputError(f"{out} exists: replace it with `overwrite=True`")
        if not out.absolute().parent.is_dir():
            raise InputError(f"there is no folder {out.parent}: create it, or choose another `out`")
    else:
        check_place(out, settings.overwrite, "out")
    data = collect(folder, plan)
    write_collection(data, out)
    states = data["status"].values.tolist()
    counts = {state: states.count(state) for state in sorted(set(states))}
    damaged = data["message"].values[data["status"].values == DAMAGED].tolist()
    if settings.json:
        say_json(
            {"collection": str(out), "cells": len(states), "states": counts, "damaged": damaged}
        )
    else:
        say(", ".join(f"{count} {state}" for state, count in counts.items()))
        if damaged:
            say(f"damaged: {damaged[0]}")
        if len(damaged) > 1:
            say(f"and {len(damaged) - 1} more (`message` of the collection names all)")
        say(f"collection: {out} (flowfa plot {out})")
    return 0


def add_verdicts(run: Run, path: Path) -> None:
    """Add the verdicts on a run to the file that it is in, for `flowfa.sweeps`."""
    import theory_checks

    try:
        report = theory_checks.check(run)
    except InputError:
        # There is nothing to check, as when no trajectory got anywhere; the cell tells that itself.
        return
    theory_checks.store(report, path)


def _tell(
    folder: SweepFolder, plan: Plan, json: bool, verbose: bool, seconds: float | None = None
) -> int:
    """Say how many cells are in which state; return 0, or 3 if some failed."""
    from flowfa.studies.clock import duration

    counts, left = folder.counts(plan), folder.seconds_left(plan)
    damaged = [folder.file(cell) for cell in counts.damaged]
    failures = [
        (cell.title, (folder.failure(cell) or {"message": ""})["message"])
        for cell in folder.failed_cells(plan)
    ]
    if json:
        say_json(
            {
                "folder": str(folder.path),
                "cells": counts.cells,
                "done": counts.done,
                "running": counts.running,
                "failed": counts.failed,
                "missing": counts.missing,
                "damaged": [str(file) for file in damaged],
                "failures": [{"cell": title, "message": text} for title, text in failures],
                "seconds": seconds,
                "seconds_left": left,
            }
        )
    elif verbose:
        line = (
            f"{counts.cells} cells: {counts.done} done, {counts.running} running, "
            f"{counts.failed} failed, {counts.missing} missing"
        )
        say(line if left is None else f"{line}; about {duration(left)} left")
        if damaged:
            say(f"damaged: {damaged[0]}{_and_others(damaged)}, to be computed again")
        for title, message in failures[:_MOST_TOLD]:
            say(f"failed: {title}: {message}")
        if len(failures) > _MOST_TOLD:
            say(f"and {len(failures) - _MOST_TOLD} more (--json lists all)")
        if counts.running + counts.missing:
            say(f"next:   flowfa sweep resume {folder.path}")
        else:
            say(f"next:   flowfa sweep collect {folder.path}")
    return SOME_FAILED if counts.failed else 0


def _and_others(files: Sequence[Path]) -> str:
    return f" and {len(files) - 1} more" if len(files) > 1 else ""


def _counted(count: int, noun: str, several: str | None = None) -> str:
    return f"{count} {noun if count == 1 else several or f'{noun}s'}"


def _tell_plan(plan: Plan, settings: SweepSettings) -> int:
    from flowfa.studies.clock import duration
    from flowfa.sweeps.beginning import beginnings
    from flowfa.sweeps.calibration import batches, calibrate

    begun = beginnings(plan)
    unable = begun.unable
    first = next((f"{cell.title}: {why}" for cell, why in unable), "")
    if not begun.able:
        raise InputError(f"no cell of {settings.file} can begin, the first {first}")
    estimate = calibrate(plan, begun.able)
    packed = batches(plan, list(plan.cells), estimate.seconds_of_cell)
    workers = settings.workers or 1
    seconds = estimate.seconds / workers
    if settings.json:
        say_json(
            {
                "cells": estimate.cells,
                "shapes": estimate.shapes,
                "cannot_begin": [{"cell": cell.title, "message": why} for cell, why in unable],
                "not_tried": begun.untried,
                "batches": len(packed),
                "seconds": seconds,
                "megabytes": estimate.megabytes * workers,
                "swept": list(plan.swept),
            }
        )
    else:
        shapes = _counted(estimate.shapes, "shape")
        say(f"{_counted(estimate.cells, 'cell')} over {', '.join(plan.swept)}, of {shapes}")
        if unable:
            tried = f" of {begun.tried} that were tried" if begun.untried else ""
            say(f"{_counted(len(unable), 'cell')}{tried} cannot begin, the first {first}")
        most = max(map(len, packed))
        say(f"{_counted(len(packed), 'batch', 'batches')} of {_counted(most, 'cell')} at most")
        say(f"about {duration(seconds)} with {workers} process{'es' * (workers > 1)}")
        say(f"about {estimate.megabytes:.0f} MB of memory a process")
    return 0

"""From the settings of ``flowfa deviation`` to a sweep and its report."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from flowfa.deviation.report import write_report
from flowfa.deviation.sweep import sweep
from flowfa.machine.allocator import keep_freed_memory
from flowfa.machine.thread_scope import chosen_threads
from flowfa.settings import DeviationSettings, DeviationStudySettings, values_of
from flowfa.simulation.from_settings import DEFAULT_STARTS, problem_from
from flowfa.studies.progress import Progress


def deviation_from(
    settings: DeviationStudySettings,
    *,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
) -> tuple[xr.Dataset, list[Path]]:
    """Run the sweep that the command line asks for, and write its report.

    Parameters
    ----------
    settings : DeviationStudySettings
        Valid (`flowfa.settings.validated`).
    argv : sequence of str
        The command line, for the record.
    progress : Progress, optional

    Returns
    -------
    tuple
        The result of the sweep, and the files of the report.

    Raises
    ------
    InputError
        If a name is unknown or the parts do not fit; nothing has been written then.
    Interrupted
        After SIGINT or SIGTERM; finished parts are kept.
    """
    keep_freed_memory()
    folder = Path(settings.out)
    data = compared(
        settings,
        folder,
        resume=settings.resume,
        overwrite=settings.overwrite,
        argv=argv,
        progress=progress,
    )
    return data, write_report(data, folder, settings.format)


def compared(
    settings: DeviationStudySettings,
    folder: Path,
    *,
    resume: bool,
    overwrite: bool,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
) -> xr.Dataset:
    """Run the sweep of valid settings in a folder, without a report; raises as `deviation_from`."""
    widths = (
        [settings.width] if settings.widths is None else [(width,) for width in settings.widths]
    )
    problems = {}
    for width in widths:
        problem = problem_from(dataclasses.replace(settings, width=width))
        problems["-".join(map(str, problem.sizes[1:-1]))] = problem
    with chosen_threads(settings.threads):
        return sweep(
            problems,
            settings.trajectories or DEFAULT_STARTS,
            DeviationSettings(**values_of(DeviationSettings, settings)),
            folder=folder,
            seed=settings.seed,
            resume=resume,
            overwrite=overwrite,
            progress=progress,
            argv=tuple(argv),
        )

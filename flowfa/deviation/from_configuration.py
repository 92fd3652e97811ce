"""From the flags of ``flowfa deviation`` to a sweep and its report."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from flowfa.deviation.report import write_report
from flowfa.deviation.settings import DeviationSettings
from flowfa.deviation.sweep import sweep
from flowfa.machine.allocator import keep_freed_memory
from flowfa.machine.threads import apply_threads, choose_threads
from flowfa.settings import DeviationConfiguration
from flowfa.simulation.from_configuration import DEFAULT_STARTS, problem_of
from flowfa.studies.progress import Progress


def deviation_configuration(
    configuration: DeviationConfiguration,
    *,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
) -> tuple[xr.Dataset, list[Path]]:
    """Run the sweep that the command line asks for, and write its report.

    Parameters
    ----------
    configuration : DeviationConfiguration
        Valid settings (`flowfa.settings.validate_deviation`).
    argv : sequence of str
        The command line, for the record.
    progress : Progress, optional

    Returns
    -------
    tuple
        What was found, and the files of the report.

    Raises
    ------
    InputError
        If a name is unknown or the parts do not fit; nothing has been written then.
    Interrupted
        After SIGINT or SIGTERM; finished parts are kept.
    """
    c = configuration
    settings = DeviationSettings(
        **{entry.name: getattr(c, entry.name) for entry in dataclasses.fields(DeviationSettings)}
    )
    apply_threads(choose_threads(c.threads))
    keep_freed_memory()
    widths = [c.width] if c.widths is None else [(width,) for width in c.widths]
    problems = {}
    for width in widths:
        problem = problem_of(dataclasses.replace(c, width=width))
        problems["-".join(map(str, problem.sizes[1:-1]))] = problem
    starts = c.trajectories or DEFAULT_STARTS
    folder = Path(c.out)
    found = sweep(
        problems,
        starts,
        settings,
        folder=folder,
        seed=c.seed,
        resume=c.resume,
        overwrite=c.overwrite,
        progress=progress,
        argv=tuple(argv),
    )
    return found, write_report(found, folder)

"""``flowfa rerun``: a run made again from its file alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flowfa.cli.console import say, say_json
from flowfa.cli.flags import flag_of, in_flags
from flowfa.cli.progress import ProgressBar
from flowfa.cli.report import failure_lines, rule_table
from flowfa.cli.run_commands import ChangeSettings, RerunSettings
from flowfa.cli.simulate import SOLVER_FAILED
from flowfa.errors import InputError
from flowfa.settings import values_of

DIFFERS = 1


def rerun(settings: RerunSettings, argv: Sequence[str]) -> int:
    """Make a run again, print its summary, and whether it is the run of the file.

    Returns
    -------
    int
        0; 1 if nothing was changed and a variable differs; 3 if a trajectory's solver failed.

    Raises
    ------
    FlowfaError
        If the run cannot be made again, or was stopped by a signal.
    """
    from flowfa.machine.allocator import keep_freed_memory
    from flowfa.records import load
    from flowfa.simulation.rerunning import find_difference
    from flowfa.simulation.rerunning import rerun as make_again

    keep_freed_memory()
    verbose = not (settings.quiet or settings.json)
    run_path = Path(settings.run)
    if not run_path.name:
        raise InputError(f"{run_path} is a folder: name the file of a run")
    place = settings.out or str(run_path.with_name(f"{run_path.stem}-rerun.nc"))
    changes = {
        name: value
        for name, value in values_of(ChangeSettings, settings).items()
        if value is not None
    }

    def announce() -> None:
        if verbose:
            shown = ", ".join(f"{flag_of(name)} {_shown(value)}" for name, value in changes.items())
            say(f"running {settings.run} again{f' with {shown}' if shown else ', as it was'}")

    with ProgressBar(settings.quiet, announce) as progress:
        run = make_again(
            settings.run,
            path=place,
            overwrite=settings.overwrite,
            resume=settings.resume,
            progress=progress,
            argv=list(argv),
            threads=settings.threads,
            **changes,
        )
    difference = None if changes else find_difference(load(settings.run), run.tree)
    summary = run.summary()
    if settings.json:
        identical = None if changes else difference is None
        document = {"identical": identical, "first_difference": difference}
        say_json({"run": place, "status": run.tree.attrs["status"], **document, **summary})
    elif verbose:
        for line in (*rule_table(summary), *failure_lines(summary)):
            say(in_flags(line, type(settings)))
        if not changes:
            say(_comparison(settings.run, difference))
        say(f"result: {place}")
        say(f"next:   flowfa plot {place}; flowfa check {place}")
    if difference is not None:
        return DIFFERS
    return SOLVER_FAILED if run.failed else 0


def _comparison(source: str, difference: str | None) -> str:
    if difference is None:
        return f"every variable is that of {source}, bit for bit"
    return (
        f"{difference} differs from that of {source}: flowfa info of both files shows versions, "
        "threads and device"
    )


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)

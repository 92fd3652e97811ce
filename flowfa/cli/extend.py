"""``flowfa extend``: a complete run continued to a later end."""

from __future__ import annotations

from collections.abc import Sequence

from flowfa.cli.console import say, say_json
from flowfa.cli.flags import in_flags
from flowfa.cli.progress import ProgressBar
from flowfa.cli.report import failure_lines, rule_table
from flowfa.cli.run_commands import ExtendSettings
from flowfa.cli.simulate import SOLVER_FAILED
from flowfa.settings.output import figure_beside


def extend(settings: ExtendSettings, argv: Sequence[str]) -> int:
    """Continue a run and print its summary.

    Returns
    -------
    int
        0, or 3 if a trajectory's solver failed.

    Raises
    ------
    FlowfaError
        If the run cannot be continued, or was stopped by a signal.
    """
    from flowfa.machine.allocator import keep_freed_memory
    from flowfa.simulation.extending import extend as extend_run

    keep_freed_memory()
    verbose = not (settings.quiet or settings.json)

    def announce() -> None:
        if verbose:
            say(f"continuing {settings.run} to t = {settings.t_end:g}")

    with ProgressBar(settings.quiet, announce) as progress:
        run = extend_run(
            settings.run,
            settings.t_end,
            save_at=settings.save_at,
            path=settings.out,
            overwrite=settings.overwrite,
            progress=progress,
            argv=list(argv),
        )
    summary = run.summary()
    if settings.json:
        say_json({"run": str(run.path), "status": run.tree.attrs["status"], **summary})
    elif verbose:
        for line in (*rule_table(summary), *failure_lines(summary)):
            say(in_flags(line, type(settings)))
        say(f"result: {run.path}")
        assert run.path is not None
        again = " --overwrite" if figure_beside(run.path).exists() else ""
        say(f"next:   flowfa plot {run.path}{again}; flowfa check {run.path}")
    return SOLVER_FAILED if run.failed else 0

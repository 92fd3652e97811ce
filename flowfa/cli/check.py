"""``flowfa check``: the verdict on every statement of the theory."""

from __future__ import annotations

from pathlib import Path

from flowfa.cli.commands import CheckCommand
from flowfa.cli.console import columns, say, say_json
from flowfa.cli.progress import StatusLine
from flowfa.errors import InputError
from flowfa.files.atomic import check_place

SOLVER_FAILED = 3


def check(command: CheckCommand) -> int:
    """Check a result file.

    Returns
    -------
    int
        0 if all statements that apply hold, 1 if one is violated, 3 if none is but trajectories
        ended early, so that statements were checked in part only, 2 if one is inconclusive.

    Raises
    ------
    InputError
        If the file is no result, a statement is unknown, the page cannot be written, or verdicts
        are to be stored in a run that is not finished.
    """
    import theory_checks
    from flowfa.machine.threads import apply_threads, choose_threads
    from flowfa.simulation.run import Run
    from flowfa.simulation.unfinished import find_unfinished, load_run
    from theory_checks.statements.statement import chosen

    chosen(command.only)  # refuses unknown statements before anything is read
    if command.html is not None:
        check_place(command.html, command.overwrite, "--html")
    unfinished = find_unfinished(command.run)
    if command.store and unfinished is not None:
        raise InputError(
            f"{unfinished} is a run that is not finished and keeps no verdicts: leave out --store"
        )
    apply_threads(choose_threads(None))
    run = Run(load_run(command.run), Path(command.run))
    traces = None if command.html is None else theory_checks.Traces()
    with StatusLine(quiet=command.json) as status:
        report = theory_checks.check(
            run,
            command.only,
            command.ladder,
            watch=lambda doing: status.show(f"checking {doing}"),
            traces=traces,
        )
        if command.html is not None and traces is not None:
            from theory_checks.pages import save_page

            status.show("drawing")
            save_page(report, run.tree, traces, command.html, command.run)
    if command.store:
        theory_checks.store(report, command.run)
    if command.json:
        say_json({"run": command.run, **report.to_json_dict()})
    else:
        for line in (*report.table(columns()), *report.explanations(columns())):
            say(line)
        if command.html is not None:
            say(f"page: {command.html}")
    if report.exit_code != 1 and run.failed:
        return SOLVER_FAILED
    return report.exit_code

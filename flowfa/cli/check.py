"""``flowfa check``: the verdict on every statement of the theory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from flowfa.cli.commands import CheckSettings
from flowfa.cli.console import columns, say, say_json
from flowfa.cli.flags import in_flags, settings_of_run
from flowfa.cli.progress import StatusLine
from flowfa.errors import InputError
from flowfa.files.atomic import check_place

if TYPE_CHECKING:
    from flowfa.simulation.run import Run
    from theory_checks.verdicts.report import Report
    from theory_checks.verdicts.traces import Traces

SOLVER_FAILED = 3


def check(settings: CheckSettings) -> int:
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
    from flowfa.simulation.run import Run
    from flowfa.simulation.unfinished import find_unfinished, load_run
    from theory_checks.statements.statement import chosen

    chosen(settings.only)  # refuses unknown statements before anything is read
    if settings.laws is not None:
        _refuse_unusable(settings.laws)
    if settings.html is not None:
        check_place(settings.html, settings.overwrite, "html")
    unfinished = find_unfinished(settings.run)
    if settings.store and unfinished is not None:
        raise InputError(
            f"{unfinished} is a run that is not finished and keeps no verdicts: leave out `store`"
        )
    run = Run(load_run(settings.run), Path(settings.run))
    traces = None if settings.html is None else theory_checks.Traces()
    with StatusLine(quiet=settings.json) as status:
        report = _report(settings, run, lambda doing: status.show(f"checking {doing}"), traces)
        if settings.html is not None and traces is not None:
            from theory_checks.pages import save_page

            status.show("drawing")
            save_page(report, run.tree, traces, settings.html, settings.run)
    if settings.store:
        theory_checks.store(report, settings.run)
    if settings.json:
        say_json({"run": settings.run, **report.to_json_dict()})
    else:
        made_by = settings_of_run(run.tree)
        for line in (*report.table(columns()), *report.explanations(columns())):
            say(in_flags(line, made_by))
        if settings.html is not None:
            say(f"page: {settings.html}")
    if report.exit_code != 1 and run.failed:
        return SOLVER_FAILED
    return report.exit_code


def _report(
    settings: CheckSettings, run: Run, watch: Callable[[str], None], traces: Traces | None
) -> Report:
    """Return the verdicts on statements, or on the laws of a file."""
    import theory_checks

    if settings.laws is None:
        return theory_checks.check(run, settings.only, settings.ladder, watch=watch, traces=traces)
    from theory_checks.laws.following import check_laws

    # The laws of a file stand alone unless statements are named beside them.
    only = () if settings.only is None else settings.only
    return check_laws(run, settings.laws, only, settings.ladder, watch, traces=traces)


def _refuse_unusable(laws: str) -> None:
    """Refuse a file without usable laws before the run is read, which may take long."""
    from theory_checks.laws.following import law_checks

    law_checks(laws)

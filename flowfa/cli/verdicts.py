"""The verdicts at the end of ``flowfa simulate``."""

from __future__ import annotations

from dataclasses import dataclass
from signal import SIGINT
from typing import TYPE_CHECKING, Any

from flowfa.cli.console import columns
from flowfa.cli.progress import StatusLine
from flowfa.errors import InputError, Interrupted

if TYPE_CHECKING:
    from flowfa.simulation.run import Run
    from theory_checks import Report

LEAST_SECONDS = 30.0
"""Time that checks may take after any run, however short."""


@dataclass(frozen=True)
class Verdicts:
    """The verdicts on a run, or why there are none.

    Attributes
    ----------
    report : Report or None
    refused : str
        Why there is no report.
    """

    report: Report | None
    refused: str = ""

    @property
    def exit_code(self) -> int:
        """0, 1 or 2, as `Report`; 0 if nothing could be checked."""
        return 0 if self.report is None else self.report.exit_code

    def to_json_dict(self) -> dict[str, Any]:
        """Return the report, or why there is none."""
        return {"refused": self.refused} if self.report is None else self.report.to_json_dict()

    def lines(self) -> list[str]:
        """Return what a person reads: the statements that apply, and the notes."""
        if self.report is None:
            return [f"not checked: {self.refused}"]
        return [*self.report.table(columns(), only_applicable=True), *self.report.notes]


def check_finished(run: Run, quiet: bool, run_seconds: float) -> Verdicts:
    """Check a run that is just done, and store the verdicts in its file.

    Parameters
    ----------
    run : Run
        Stored in a file.
    quiet : bool
        Show no progress.
    run_seconds : float
        Time that the run took. Checks take about as long at most, or `LEAST_SECONDS`; one
        trajectory is always checked.

    Raises
    ------
    Interrupted
        After Ctrl-C or SIGTERM; the result is complete, but has no verdicts.
    """
    import theory_checks

    assert run.path is not None
    try:
        with StatusLine(quiet) as status:
            report = theory_checks.check(
                run,
                seconds=max(run_seconds, LEAST_SECONDS),
                watch=lambda doing: status.show(f"checking {doing}"),
            )
        theory_checks.store(report, run.path)
    except InputError as error:
        # The result is complete, but holds nothing to check, as when no trajectory got anywhere.
        return Verdicts(None, str(error))
    except KeyboardInterrupt as stop:
        raise Interrupted(
            f"stopped while checking; the result is in {run.path}: flowfa check {run.path}",
            getattr(stop, "signal_number", SIGINT),
        ) from None
    return Verdicts(report)

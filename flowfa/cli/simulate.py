"""``flowfa simulate``: from settings to a result file, a figure and a summary."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from flowfa.cli.console import complain, say, say_json
from flowfa.cli.flags import in_flags
from flowfa.cli.progress import ProgressBar
from flowfa.cli.report import failure_lines, rule_table
from flowfa.errors import FlowfaError
from flowfa.files.atomic import check_place
from flowfa.files.lock import sole_writer
from flowfa.settings import ProblemSettings, SimulateSettings, TrainSettings

if TYPE_CHECKING:
    from flowfa.problems import Problem
    from flowfa.simulation import Run

SOLVER_FAILED = 3


def simulate(settings: SimulateSettings, argv: Sequence[str]) -> int:
    """Run a simulation and print its summary.

    Parameters
    ----------
    settings : SimulateSettings
        Valid.
    argv : sequence of str
        The command line, for the record.

    Returns
    -------
    int
        3 if a trajectory's solver failed, else 1 if a statement of the theory is violated, 2 if
        one is inconclusive, 0 otherwise.

    Raises
    ------
    FlowfaError
        If the run cannot begin, or was stopped by a signal.
    """
    from flowfa.simulation import simulate_from

    opening = partial(_opening, settings)
    return carry_out(settings, opening, partial(simulate_from, argv=list(argv)))


def carry_out(
    settings: SimulateSettings | TrainSettings,
    opening: Callable[[Problem], str],
    make: Callable[..., Run],
) -> int:
    """Make a run with a progress bar, draw its figure, and print its summary.

    Parameters
    ----------
    settings : SimulateSettings or TrainSettings
        Valid: where output goes and how much is said.
    opening : callable
        Says from the problem what is about to be done; printed when all input has been checked.
    make : callable
        Returns the `Run` when called with the settings and ``progress``.

    Returns
    -------
    int
        0, or 3 if a trajectory's solver failed.
    """
    start = time.perf_counter()
    figure = settings.figure
    replace = settings.overwrite or settings.resume
    check_place(settings.out, replace)
    if figure is not None:
        check_place(figure, replace, "plot")
    # Until the verdicts are in the file too, not only until it is written.
    with sole_writer(settings.out, "out"):
        return _make(settings, opening, make, start)


def _make(
    settings: SimulateSettings | TrainSettings,
    opening: Callable[[Problem], str],
    make: Callable[..., Run],
    start: float,
) -> int:
    """Do what `carry_out` says, from a time `start` of the clock on."""
    figure = settings.figure
    verbose = not (settings.quiet or settings.json)

    problems: list[Problem] = []

    def announce() -> None:
        if verbose:
            say(opening(problems[0]))

    with ProgressBar(settings.quiet, announce) as progress:
        run = make(settings, progress=progress, told=problems.append)
    if figure is not None:
        from flowfa.cli.figure import draw

        try:
            draw(run.tree, figure)
        except FlowfaError as error:
            # The result is complete; only its picture is not.
            raise type(error)(f"{error} (the result is in {run.path})") from error
    summary = run.summary()
    if verbose:
        for line in (*rule_table(summary), *failure_lines(summary)):
            say(in_flags(line, type(settings)))
    elif settings.quiet:
        for line in failure_lines(summary):
            complain(f"flowfa: {in_flags(line, type(settings))}")
    verdicts = None
    if settings.check:
        from flowfa.cli.verdicts import check_finished

        verdicts = check_finished(run, quiet=not verbose, run_seconds=time.perf_counter() - start)
        if verbose:
            for line in verdicts.lines():
                say(in_flags(line, type(settings)))
    seconds = time.perf_counter() - start
    solving = float(run.tree.attrs["solve_seconds"])
    if settings.json:
        say_json(
            {
                "run": str(run.path),
                "figure": None if figure is None else str(figure),
                "status": run.tree.attrs["status"],
                "solve_seconds": solving,
                "seconds": seconds,
                **summary,
                "checks": None if verdicts is None else verdicts.to_json_dict(),
            }
        )
    elif verbose:
        say(f"{seconds:.1f} s, of which {solving:.1f} s solving on {run.tree.attrs['device']}")
        say(f"result: {run.path}")
        if figure is None:
            say(f"next:   flowfa plot {run.path}; flowfa check {run.path}")
        else:
            say(f"figure: {figure} (again, or as .pdf: flowfa plot {run.path} --out FIGURE)")
            say(f"next:   flowfa check {run.path}")
    if run.failed:
        return SOLVER_FAILED
    return 0 if verdicts is None else verdicts.exit_code


def network_of(settings: ProblemSettings, problem: Problem) -> str:
    """Say rules, network, data and what its outputs learn, loss and start."""
    activation = (
        f"leak {settings.leak:g}"
        if settings.activation == ProblemSettings.activation
        else f"activation {settings.activation}"
    )
    return (
        f"{', '.join(settings.rule)}: network {'-'.join(map(str, problem.sizes))}, {activation}, "
        f"data {settings.dataset} ({problem.data.samples} samples, {problem.targets}), "
        f"{problem.loss.name} loss, start {settings.init}"
    )


def _opening(settings: SimulateSettings, problem: Problem) -> str:
    """Say in one line what is about to be simulated."""
    verb = "resuming" if settings.resume else "simulating"
    return (
        f"{verb} {network_of(settings, problem)}, t = 0 .. {settings.t_end:g}, "
        f"rtol {settings.rtol:g}"
    )

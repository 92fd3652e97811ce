"""``flowfa simulate``: from settings to a result file, a figure and a summary."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from flowfa.cli.console import say, say_json
from flowfa.cli.progress import ProgressBar
from flowfa.cli.report import failure_lines, rule_table
from flowfa.errors import FlowfaError
from flowfa.files.atomic import check_place
from flowfa.settings import ProblemFlags, SimulateConfiguration, TrainConfiguration

if TYPE_CHECKING:
    from flowfa.simulation import Run

SOLVER_FAILED = 3


def simulate(configuration: SimulateConfiguration, argv: Sequence[str]) -> int:
    """Run a simulation and tell about it.

    Parameters
    ----------
    configuration : SimulateConfiguration
        Valid settings.
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
    from flowfa.simulation import simulate_configuration

    return carry_out(
        configuration, _opening(configuration), partial(simulate_configuration, argv=list(argv))
    )


def carry_out(
    configuration: SimulateConfiguration | TrainConfiguration,
    opening: str,
    make: Callable[..., Run],
) -> int:
    """Make a run with a progress bar, draw its figure, and tell about it.

    Parameters
    ----------
    configuration : configuration
        Valid settings: where output goes and how much is said.
    opening : str
        Said when all input was found good.
    make : callable
        Returns the `Run` when called with the configuration and ``progress``.

    Returns
    -------
    int
        0, or 3 if a trajectory's solver failed.
    """
    began = time.perf_counter()
    figure = configuration.figure
    replace = configuration.overwrite or configuration.resume
    check_place(configuration.out, replace)
    if figure is not None:
        check_place(figure, replace, "--plot")
    talks = not (configuration.quiet or configuration.json)

    def begun() -> None:
        if talks:
            say(opening)

    with ProgressBar(configuration.quiet, begun) as progress:
        run = make(configuration, progress=progress)
    if figure is not None:
        from flowfa.cli.figure import draw

        try:
            draw(run.tree, figure)
        except FlowfaError as error:
            # The result is complete; only its picture is not.
            raise type(error)(f"{error} (the result is in {run.path})") from error
    summary = run.summary()
    if talks:
        for line in (*rule_table(summary), *failure_lines(summary)):
            say(line)
    verdicts = None
    if configuration.check:
        from flowfa.cli.verdicts import check_finished

        verdicts = check_finished(run, quiet=not talks, took=time.perf_counter() - began)
        if talks:
            for line in verdicts.lines():
                say(line)
    seconds = time.perf_counter() - began
    solving = float(run.tree.attrs["solve_seconds"])
    if configuration.json:
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
    elif talks:
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


def activation_of(configuration: ProblemFlags) -> str:
    """Say the activation: of the leaky ReLU its leak."""
    if configuration.activation == ProblemFlags.activation:
        return f"leak {configuration.leak:g}"
    return f"activation {configuration.activation}"


def _opening(configuration: SimulateConfiguration) -> str:
    """Say in one line what is about to be simulated."""
    verb = "resuming" if configuration.resume else "simulating"
    width = (
        "" if configuration.width is None else f"width {' '.join(map(str, configuration.width))}, "
    )
    return (
        f"{verb} {', '.join(configuration.rule)}: {width}{activation_of(configuration)}, "
        f"data {configuration.dataset}, start {configuration.init}, t = 0 .. "
        f"{configuration.t_end:g}, rtol {configuration.rtol:g}"
    )

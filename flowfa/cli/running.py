"""The function that does each command."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

from flowfa.cli.commands import (
    CheckSettings,
    DataCertifySettings,
    DataFetchSettings,
    DataMakeSettings,
    FalsifySettings,
    InfoSettings,
    LawsSettings,
    PlotSettings,
)
from flowfa.cli.console import complain
from flowfa.cli.flags import in_flags
from flowfa.cli.parsing import Command
from flowfa.cli.run_commands import ExtendSettings, RerunSettings
from flowfa.settings import (
    DeviationStudySettings,
    ExperimentSettings,
    TrainSettings,
)
from flowfa.settings.sweep import (
    SweepCollectSettings,
    SweepResumeSettings,
    SweepSettings,
    SweepStatusSettings,
)


def run(command: Command, argv: Sequence[str]) -> int:
    """Do what a command asks for.

    Parameters
    ----------
    command : one of the commands
    argv : sequence of str
        The command line, for the record.

    Returns
    -------
    int
        Exit status.

    Raises
    ------
    FlowfaError
        If the command cannot be done.
    """
    from flowfa.studies.interruption import termination_raises

    with warnings.catch_warnings(), termination_raises():
        warnings.showwarning = partial(_show_warning, type(command))
        for file in getattr(command, "import_", None) or ():
            # Imported only where it is asked for, since the parts of a file take torch along.
            from flowfa.files.own_code import import_file

            import_file(file)
        return _dispatch(command, argv)


def _dispatch(command: Command, argv: Sequence[str]) -> int:
    # Each command imports only what it needs: certifying data and plotting need no torch.
    if isinstance(command, PlotSettings):
        from flowfa.cli.figure import plot

        return plot(command)
    if isinstance(command, CheckSettings):
        from flowfa.cli.check import check

        return check(command)
    if isinstance(command, FalsifySettings):
        from flowfa.cli.falsify import falsify

        return falsify(command)
    if isinstance(command, LawsSettings):
        from flowfa.cli.laws import laws

        return laws(command)
    if isinstance(command, ExtendSettings):
        from flowfa.cli.extend import extend

        return extend(command, argv)
    if isinstance(command, RerunSettings):
        from flowfa.cli.rerun import rerun

        return rerun(command, argv)
    if isinstance(command, InfoSettings):
        from flowfa.cli.info import info

        return info(command)
    if isinstance(command, DataMakeSettings):
        from flowfa.cli.data import make

        return make(command)
    if isinstance(command, DataFetchSettings):
        from flowfa.cli.data import fetch

        return fetch(command)
    if isinstance(command, DataCertifySettings):
        from flowfa.cli.data import certify

        return certify(command)
    if isinstance(command, TrainSettings):
        from flowfa.cli.train import train

        return train(command, argv)
    if isinstance(command, DeviationStudySettings):
        from flowfa.cli.deviation import deviation

        return deviation(command, argv)
    if isinstance(
        command,
        SweepSettings | SweepStatusSettings | SweepResumeSettings | SweepCollectSettings,
    ):
        return _sweep(command)
    if isinstance(command, ExperimentSettings):
        from flowfa.cli.experiment import experiment

        return experiment(command, argv)
    from flowfa.cli.simulate import simulate

    return simulate(command, argv)


def _sweep(
    command: SweepSettings | SweepStatusSettings | SweepResumeSettings | SweepCollectSettings,
) -> int:
    from flowfa.cli import sweep as sweeps

    if isinstance(command, SweepStatusSettings):
        return sweeps.status(command)
    if isinstance(command, SweepResumeSettings):
        return sweeps.resume(command)
    if isinstance(command, SweepCollectSettings):
        return sweeps.collect(command)
    return sweeps.sweep(command)


def _show_warning(group: type, message: Warning | str, *location: Any, **more: Any) -> None:
    """Show a warning as a line for users, without the line of the code."""
    complain(f"flowfa: warning: {in_flags(str(message), group)}")

"""What each command leads to."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from flowfa.cli.commands import (
    CheckCommand,
    DataCertifyCommand,
    DataFetchCommand,
    DataMakeCommand,
    FalsifyCommand,
    InfoCommand,
    PlotCommand,
)
from flowfa.cli.console import complain
from flowfa.cli.parsing import Command
from flowfa.settings import (
    DeviationConfiguration,
    ExperimentConfiguration,
    TrainConfiguration,
)


def run(command: Command, argv: Sequence[str]) -> int:
    """Do what a command asks for.

    Parameters
    ----------
    command : one of the commands
    argv : sequence of str
        The words it was made of, for the record.

    Returns
    -------
    int
        Exit status.

    Raises
    ------
    FlowfaError
        If the command cannot be done.
    """
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return _dispatch(command, argv)


def _dispatch(command: Command, argv: Sequence[str]) -> int:
    # Each command imports what it needs itself: certifying data needs no torch, plotting neither.
    if isinstance(command, PlotCommand):
        from flowfa.cli.figure import plot

        return plot(command)
    if isinstance(command, CheckCommand):
        from flowfa.cli.check import check

        return check(command)
    if isinstance(command, FalsifyCommand):
        from flowfa.cli.falsify import falsify

        return falsify(command)
    if isinstance(command, InfoCommand):
        from flowfa.cli.info import info

        return info(command)
    if isinstance(command, DataMakeCommand):
        from flowfa.cli.data import make

        return make(command)
    if isinstance(command, DataFetchCommand):
        from flowfa.cli.data import fetch

        return fetch(command)
    if isinstance(command, DataCertifyCommand):
        from flowfa.cli.data import certify

        return certify(command)
    if isinstance(command, TrainConfiguration):
        from flowfa.cli.train import train

        return train(command, argv)
    if isinstance(command, DeviationConfiguration):
        from flowfa.cli.deviation import deviation

        return deviation(command, argv)
    if isinstance(command, ExperimentConfiguration):
        from flowfa.cli.experiment import experiment

        return experiment(command, argv)
    from flowfa.cli.simulate import simulate

    return simulate(command, argv)


def _show_warning(message: Warning | str, *place: Any, **more: Any) -> None:
    """Show a warning as a line for users, without the place in the code."""
    complain(f"flowfa: warning: {message}")

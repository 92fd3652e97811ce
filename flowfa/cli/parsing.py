"""From the words of a command line to a command, by way of a configuration file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Union

import tyro

from flowfa.cli.commands import (
    CheckCommand,
    DataCertifyCommand,
    DataFetchCommand,
    DataMakeCommand,
    FalsifyCommand,
    InfoCommand,
    PlotCommand,
)
from flowfa.registry import unknown_name
from flowfa.settings import (
    DeviationConfiguration,
    ExperimentConfiguration,
    SimulateConfiguration,
    TrainConfiguration,
    from_toml,
    validate,
    validate_deviation,
    validate_experiment,
    validate_training,
)
from flowfa.settings.experiment import EXPERIMENTS

Command = (
    SimulateConfiguration
    | TrainConfiguration
    | DeviationConfiguration
    | ExperimentConfiguration
    | CheckCommand
    | FalsifyCommand
    | PlotCommand
    | InfoCommand
    | DataMakeCommand
    | DataFetchCommand
    | DataCertifyCommand
)
CONFIGURATIONS = {
    "simulate": SimulateConfiguration,
    "train": TrainConfiguration,
    "deviation": DeviationConfiguration,
    "experiment": ExperimentConfiguration,
}
"""The commands that have a --config file."""
COMMANDS = {
    "simulate": (),
    "train": (),
    "deviation": (),
    "experiment": EXPERIMENTS,
    "check": (),
    "falsify": (),
    "plot": (),
    "info": (),
    "data": ("make", "fetch", "certify"),
}
DESCRIPTION = """The instrument for training flows of (leaky) ReLU networks under gradient descent,
feedback alignment and their relatives.

Start with: flowfa simulate --rule fa --width 100. Each command has a --help of its own;
flowfa --version tells the version.

Exit status: 0 done and all checks hold; 1 a statement is violated; 2 inconclusive; 3 a
trajectory's solver failed; 64 bad input; 128 + N stopped by signal N."""


def parse(argv: list[str]) -> Command:
    """Understand a command line.

    Parameters
    ----------
    argv : list of str
        The words after ``flowfa``.

    Returns
    -------
    one of the commands
        A configuration has its ``--config`` file merged in and is valid.

    Raises
    ------
    InputError
        For an unknown command, or settings that cannot be used.
    SystemExit
        With status 0 after a help text, 2 after the parser's own few lines about an error.
    """
    _check_command(argv)
    file = _config_file(argv)
    # The file's settings become the defaults, so that any flag overrides them, also one that
    # asks for the usual default.
    defaults: dict[str, Any] = {name: kind() for name, kind in CONFIGURATIONS.items()}
    if file is not None:
        settings = from_toml(file, CONFIGURATIONS[argv[0]])
        defaults[argv[0]] = replace(defaults[argv[0]], **settings)
    command = _parse(argv, defaults)
    if isinstance(command, SimulateConfiguration):
        validate(command)
    elif isinstance(command, TrainConfiguration):
        validate_training(command)
    elif isinstance(command, DeviationConfiguration):
        validate_deviation(command)
    elif isinstance(command, ExperimentConfiguration):
        validate_experiment(command)
    return command


def _config_file(argv: list[str]) -> str | None:
    """Return the value of the last ``--config`` of a command that takes one, if it is there."""
    found = None
    if argv[:1] and argv[0] in CONFIGURATIONS:
        for word, following in zip(argv, [*argv[1:], None], strict=True):
            if word == "--config" and following is not None:
                found = following
            elif word.startswith("--config="):
                found = word.removeprefix("--config=")
    return found


def _check_command(argv: Sequence[str]) -> None:
    """Name the nearest command where there is none of this name, in one line."""
    words = [word for word in argv[:2] if not word.startswith("-")]
    if words and words[0] not in COMMANDS:
        raise unknown_name("command", words[0], COMMANDS)
    if len(words) == 2 and COMMANDS[words[0]] and words[1] not in COMMANDS[words[0]]:
        raise unknown_name(f"command flowfa {words[0]}", words[1], COMMANDS[words[0]])


def _parse(argv: Sequence[str], defaults: Mapping[str, Any]) -> Command:
    named = tyro.conf.subcommand
    data = Annotated[
        Union[  # noqa: UP007 - `|` takes no annotated types that are made at run time
            Annotated[DataMakeCommand, named("make")],
            Annotated[DataFetchCommand, named("fetch")],
            Annotated[DataCertifyCommand, named("certify")],
        ],
        named("data", description="Make, fetch and certify data sets."),
    ]
    kinds: Any = Union[  # noqa: UP007 - as above
        Annotated[SimulateConfiguration, named("simulate", default=defaults["simulate"])],
        Annotated[TrainConfiguration, named("train", default=defaults["train"])],
        Annotated[DeviationConfiguration, named("deviation", default=defaults["deviation"])],
        Annotated[ExperimentConfiguration, named("experiment", default=defaults["experiment"])],
        Annotated[CheckCommand, named("check")],
        Annotated[FalsifyCommand, named("falsify")],
        Annotated[PlotCommand, named("plot")],
        Annotated[InfoCommand, named("info")],
        data,
    ]
    return tyro.cli(
        kinds,
        prog="flowfa",
        description=DESCRIPTION,
        args=list(argv),
        config=(
            tyro.conf.OmitSubcommandPrefixes,
            tyro.conf.OmitArgPrefixes,
            tyro.conf.FlagCreatePairsOff,
        ),
    )

"""From the words of a command line to a command, by way of a configuration file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Union

import tyro

from flowfa.cli.commands import (
    CheckCommand,
    DataCertifyCommand,
    DataFetchCommand,
    DataMakeCommand,
    InfoCommand,
    PlotCommand,
)
from flowfa.configuration import SimulateConfiguration, from_toml, validate
from flowfa.registry import unknown_name

Command = (
    SimulateConfiguration
    | CheckCommand
    | PlotCommand
    | InfoCommand
    | DataMakeCommand
    | DataFetchCommand
    | DataCertifyCommand
)
COMMANDS = {
    "simulate": (),
    "check": (),
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
        A `SimulateConfiguration` has its ``--config`` file merged in and is valid.

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
    settings = {} if file is None else from_toml(file)
    command = _parse(argv, replace(SimulateConfiguration(), **settings))
    if isinstance(command, SimulateConfiguration):
        validate(command)
    return command


def _config_file(argv: list[str]) -> str | None:
    """Return the value of the last ``--config`` of ``simulate``, if it has one."""
    found = None
    if argv[:1] == ["simulate"]:
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


def _parse(argv: Sequence[str], default: SimulateConfiguration) -> Command:
    named = tyro.conf.subcommand
    data = Annotated[
        Union[  # noqa: UP007 - `|` takes no annotated types that are made at run time
            Annotated[DataMakeCommand, named("make")],
            Annotated[DataFetchCommand, named("fetch")],
            Annotated[DataCertifyCommand, named("certify")],
        ],
        named("data", description="Make, fetch and certify data sets."),
    ]
    kinds: Any = Union[  # noqa: UP007
        Annotated[SimulateConfiguration, named("simulate", default=default)],
        Annotated[CheckCommand, named("check")],
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

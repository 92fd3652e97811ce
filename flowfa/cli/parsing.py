"""From the words of a command line to a command, by way of a configuration file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Union

import tyro

from flowfa.cli.commands import (
    CheckSettings,
    DataCertifySettings,
    DataFetchSettings,
    DataMakeSettings,
    FalsifySettings,
    InfoSettings,
    PlotSettings,
)
from flowfa.registry import unknown_name
from flowfa.settings import (
    DeviationStudySettings,
    ExperimentSettings,
    SimulateSettings,
    TrainSettings,
    from_toml,
    validated,
)
from flowfa.settings.experiment import EXPERIMENTS, ExperimentFlags

Command = (
    SimulateSettings
    | TrainSettings
    | DeviationStudySettings
    | ExperimentSettings
    | CheckSettings
    | FalsifySettings
    | PlotSettings
    | InfoSettings
    | DataMakeSettings
    | DataFetchSettings
    | DataCertifySettings
)
SETTINGS: dict[str, type] = {
    "simulate": SimulateSettings,
    "train": TrainSettings,
    "deviation": DeviationStudySettings,
    "experiment": ExperimentFlags,
    "check": CheckSettings,
    "falsify": FalsifySettings,
    "plot": PlotSettings,
    "info": InfoSettings,
    "data make": DataMakeSettings,
    "data fetch": DataFetchSettings,
    "data certify": DataCertifySettings,
}
"""The settings of each command."""
CONFIGURABLE = ("simulate", "train", "deviation", "experiment")
"""The commands that have a --config file."""
WORDS = {"experiment": EXPERIMENTS, "data": ("make", "fetch", "certify")}
"""What may follow the name of a command."""
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
        Valid, with its ``--config`` file merged in.

    Raises
    ------
    InputError
        For an unknown command, or settings that cannot be used.
    SystemExit
        With status 0 after a help text, 2 after the parser's own few lines about an error.
    """
    _check_command(argv)
    file = _config_file(argv)
    # The file's settings become the defaults, so that each flag overrides them, even a flag that
    # gives the usual default.
    defaults: dict[str, Any] = {name: SETTINGS[name]() for name in CONFIGURABLE}
    if file is not None:
        settings = from_toml(file, SETTINGS[argv[0]])
        defaults[argv[0]] = replace(defaults[argv[0]], **settings)
    return validated(_parse(argv, defaults))


def _config_file(argv: list[str]) -> str | None:
    """Return the value of the last ``--config`` of a command that takes one, if it is there."""
    path = None
    if argv[:1] and argv[0] in CONFIGURABLE:
        for word, following in zip(argv, [*argv[1:], None], strict=True):
            if word == "--config" and following is not None:
                path = following
            elif word.startswith("--config="):
                path = word.removeprefix("--config=")
    return path


def _check_command(argv: Sequence[str]) -> None:
    """Name the nearest command where there is none of this name, in one line."""
    words = [word for word in argv[:2] if not word.startswith("-")]
    commands = dict.fromkeys(name.partition(" ")[0] for name in SETTINGS)
    if words and words[0] not in commands:
        raise unknown_name("command", words[0], commands)
    if len(words) == 2 and words[0] in WORDS and words[1] not in WORDS[words[0]]:
        raise unknown_name(f"command flowfa {words[0]}", words[1], WORDS[words[0]])


def _parse(argv: Sequence[str], defaults: Mapping[str, Any]) -> Command:
    subcommand = tyro.conf.subcommand
    data = Annotated[
        Union[  # noqa: UP007 - `|` takes no annotated types that are made at run time
            Annotated[DataMakeSettings, subcommand("make")],
            Annotated[DataFetchSettings, subcommand("fetch")],
            Annotated[DataCertifySettings, subcommand("certify")],
        ],
        subcommand("data", description="Make, fetch and certify data sets."),
    ]
    kinds: Any = Union[  # noqa: UP007 - as above
        Annotated[SimulateSettings, subcommand("simulate", default=defaults["simulate"])],
        Annotated[TrainSettings, subcommand("train", default=defaults["train"])],
        Annotated[DeviationStudySettings, subcommand("deviation", default=defaults["deviation"])],
        Annotated[ExperimentFlags, subcommand("experiment", default=defaults["experiment"])],
        Annotated[CheckSettings, subcommand("check")],
        Annotated[FalsifySettings, subcommand("falsify")],
        Annotated[PlotSettings, subcommand("plot")],
        Annotated[InfoSettings, subcommand("info")],
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

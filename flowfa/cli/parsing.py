"""From the words of a command line to a command, by way of a configuration file."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, redirect_stderr, redirect_stdout
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
    LawsSettings,
    PlotSettings,
)
from flowfa.cli.console import fits, say
from flowfa.cli.run_commands import ExtendSettings, RerunSettings
from flowfa.cli.words import HELP, check_words
from flowfa.errors import InputError
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
from flowfa.settings.sweep import (
    SweepCollectSettings,
    SweepResumeSettings,
    SweepSettings,
    SweepStatusSettings,
)

Command = (
    SimulateSettings
    | TrainSettings
    | DeviationStudySettings
    | ExperimentSettings
    | ExtendSettings
    | RerunSettings
    | SweepSettings
    | SweepStatusSettings
    | SweepResumeSettings
    | SweepCollectSettings
    | CheckSettings
    | FalsifySettings
    | LawsSettings
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
    "extend": ExtendSettings,
    "rerun": RerunSettings,
    "sweep": SweepSettings,
    "sweep status": SweepStatusSettings,
    "sweep resume": SweepResumeSettings,
    "sweep collect": SweepCollectSettings,
    "check": CheckSettings,
    "falsify": FalsifySettings,
    "laws": LawsSettings,
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
        With status 0 after a help text.
    """
    command = _check_command(argv)
    file = _config_file(argv)
    # The file's settings become the defaults, so that each flag overrides them, even a flag that
    # gives the usual default.
    defaults: dict[str, Any] = {name: SETTINGS[name]() for name in CONFIGURABLE}
    if file is not None:
        settings = from_toml(file, SETTINGS[argv[0]])
        defaults[argv[0]] = replace(defaults[argv[0]], **settings)
    if command is not None:
        group = SETTINGS[command]
        words = argv[len(command.split()) :]
        check_words(command, words, group, defaults.get(command, group), SETTINGS)
    return validated(_parse(_with_one_word(argv), defaults))


def _with_one_word(argv: list[str]) -> list[str]:
    """Return the words with ``sweep status`` as one, since ``sweep`` is a command of its own."""
    named = " ".join(argv[:2])
    both = named in SETTINGS and argv[0] in SETTINGS
    return [named, *argv[2:]] if both else argv


def _config_file(argv: list[str]) -> str | None:
    """Return the value of ``--config`` of a command that takes one, if it is there.

    Raises
    ------
    InputError
        If it is there twice; it is read before the other words are looked at.
    """
    paths = []
    if argv[:1] and argv[0] in CONFIGURABLE:
        for word, following in zip(argv, [*argv[1:], None], strict=True):
            if word == "--config" and following is not None:
                paths.append(following)
            elif word.startswith("--config="):
                paths.append(word.removeprefix("--config="))
    if len(paths) > 1:
        raise InputError(f"--config is given twice ({paths[0]}, then {paths[1]}): give it once")
    return paths[0] if paths else None


def _check_command(argv: Sequence[str]) -> str | None:
    """Return the command that is named; None where only help is asked for.

    Where there is none of this name, one line names the nearest.
    """
    words = [word for word in argv[:2] if not word.startswith("-")]
    commands = dict.fromkeys(name.partition(" ")[0] for name in SETTINGS)
    if words and words[0] not in commands:
        raise unknown_name("command", words[0], commands)
    if len(words) == 2 and words[0] in WORDS and words[1] not in WORDS[words[0]]:
        raise unknown_name(f"command flowfa {words[0]}", words[1], WORDS[words[0]])
    named = " ".join(argv[:2])
    if named not in SETTINGS and argv[:1] != ["data"]:
        named = " ".join(argv[:1])
    if named in SETTINGS:
        return named
    if any(word in HELP for word in argv):
        return None
    if argv[:1] == ["data"]:
        raise InputError(f"data has no command: name one of {', '.join(WORDS['data'])}")
    raise InputError(
        f"no command is named first: name one of {', '.join(commands)}; flowfa --help says what "
        "they do"
    )


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
        Annotated[ExtendSettings, subcommand("extend")],
        Annotated[RerunSettings, subcommand("rerun")],
        Annotated[SweepSettings, subcommand("sweep")],
        Annotated[SweepStatusSettings, subcommand("sweep status")],
        Annotated[SweepResumeSettings, subcommand("sweep resume")],
        Annotated[SweepCollectSettings, subcommand("sweep collect")],
        Annotated[CheckSettings, subcommand("check")],
        Annotated[FalsifySettings, subcommand("falsify")],
        Annotated[LawsSettings, subcommand("laws")],
        Annotated[PlotSettings, subcommand("plot")],
        Annotated[InfoSettings, subcommand("info")],
        data,
    ]
    # The parser's help has bullets, at which a terminal of ASCII only would end it.
    help_text = io.StringIO()
    shown = nullcontext() if fits(sys.stdout, "\u2022") else redirect_stdout(help_text)
    try:
        # What is wrong is told below, in one line, also where help was asked for in a wrong place.
        with shown, redirect_stderr(io.StringIO()):
            return tyro.cli(
                kinds,
                prog="flowfa",
                description=DESCRIPTION,
                args=list(argv),
                # Help is the parser's; what is wrong has been told before, in one line.
                console_outputs=any(word in HELP for word in argv),
                config=(
                    tyro.conf.OmitSubcommandPrefixes,
                    tyro.conf.OmitArgPrefixes,
                    tyro.conf.FlagCreatePairsOff,
                ),
            )
    except SystemExit as stop:
        if stop.code == 0:
            if help_text.getvalue():
                say(help_text.getvalue().rstrip("\n"))
            raise
        raise InputError(
            f"{argv[0]} cannot make sense of these words: flowfa {argv[0]} --help lists "
            "what there is"
        ) from None

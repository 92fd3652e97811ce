"""Where results go, and how much is said about them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from flowfa.errors import InputError
from flowfa.settings.limits import one_of, path_name, positive
from flowfa.settings.naming import optional_flag
from flowfa.settings.recording import ThreadsSettings
from flowfa.settings.validation import condition

FIGURE_FORMATS = (".png", ".pdf", ".svg")
FigureFormat = Annotated[
    str | None,
    one_of(*(ending.removeprefix(".") for ending in FIGURE_FORMATS)),
    optional_flag(metavar="png|pdf|svg"),
]
"""The format of figures."""
_RESULT_FORMATS = (".nc", ".nc4", ".cdf", ".h5", ".hdf5", ".he5")


def figure_beside(result: str | Path) -> Path:
    """Return the figure of a result if nothing else is said: ``run.png`` for ``run.nc``.

    The dot of ``rate_0.1`` begins no ending: its figure is ``rate_0.1.png``, so that that of
    ``rate_0.15`` is another one.
    """
    result = Path(result)
    if not result.name:
        raise InputError(f"{result} is a folder: name a result, such as run.nc")
    known = result.suffix.lower() in _RESULT_FORMATS
    return result.with_name(f"{result.stem if known else result.name}.png")


@dataclass(frozen=True)
class QuietSettings:
    """Whether anything is said."""

    quiet: bool = False
    """Print errors only."""


@dataclass(frozen=True)
class JsonSettings:
    """Whether the result is printed for a program."""

    json: bool = False
    """Print one JSON document."""


@dataclass(frozen=True)
class DebugSettings:
    """Whether an error is shown with its place in the code."""

    debug: bool = False
    """Show the traceback of an error."""


@dataclass(frozen=True)
class ConfigSettings:
    """Settings from a file."""

    config: Annotated[str | None, optional_flag(metavar="FILE.toml")] = None
    """TOML file with these settings."""


@dataclass(frozen=True)
class PresentationSettings(DebugSettings, JsonSettings, QuietSettings, ConfigSettings):
    """How the settings are given, and how much is said."""


@dataclass(frozen=True)
class OverwriteSettings:
    """Whether existing output may be replaced."""

    overwrite: bool = False
    """Replace existing output."""


@dataclass(frozen=True)
class ResumeSettings(OverwriteSettings):
    """What happens with earlier output: a result, or a run that was interrupted."""

    resume: bool = False
    """Go on with what was interrupted, of the same --out, bit for bit."""


@dataclass(frozen=True)
class StorageSettings(ResumeSettings):
    """What happens with earlier output, and how often a checkpoint is written."""

    checkpoint_every: Annotated[float, positive()] = 15.0
    """Seconds between checkpoints."""


@dataclass(frozen=True)
class ResultSettings:
    """The result file of a run, its figure and its verdicts."""

    out: Annotated[str, path_name("the name of a file, such as run.nc"), arg(metavar="RUN.nc")] = (
        "run.nc"
    )
    """Result file."""
    plot: Annotated[str | None, optional_flag(metavar="FIGURE|none")] = None
    """Figure (.png, .pdf or .svg), by default RUN.png beside the result; none for no figure."""
    check: Annotated[bool, arg(help_behavior_hint="")] = True
    """Skip the verdicts on the theory's statements, which may take about as long as the run."""

    @condition
    def figure_is_a_figure(self) -> None:
        """Refuse a figure of an unknown format, or in the place of the result."""
        figure = self.figure
        if figure is None:
            return
        if figure.suffix.lower() not in FIGURE_FORMATS:
            raise InputError(
                f"`plot` is {self.plot!r}: expected a name that ends in "
                f"{', '.join(FIGURE_FORMATS)}, or none for no figure"
            )
        if figure == Path(self.out):
            raise InputError(f"`plot` and `out` are both {self.out}: give the figure another name")

    @property
    def figure(self) -> Path | None:
        """Where the figure goes: beside the run if not said otherwise; None for no figure."""
        if self.plot == "none":
            return None
        return figure_beside(self.out) if self.plot is None else Path(self.plot)


@dataclass(frozen=True)
class RunOutputSettings(PresentationSettings, StorageSettings, ResultSettings, ThreadsSettings):
    """What both kinds of run do with their result."""

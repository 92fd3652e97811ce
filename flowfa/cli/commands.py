"""The settings of commands that the library itself does not use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from flowfa.settings.limits import at_least, ends_in, positive
from flowfa.settings.naming import optional_flag
from flowfa.settings.output import (
    DebugSettings,
    JsonSettings,
    OverwriteSettings,
    QuietSettings,
)
from flowfa.settings.problem import GeneratorSettings, ImageFolderSettings, SeedSettings


@dataclass(frozen=True)
class RunFileSettings:
    """The result file that a command reads."""

    run: Annotated[Positional[str], arg(metavar="RUN.nc")]
    """Result file."""


@dataclass(frozen=True)
class FigureSettings:
    """Where a figure goes."""

    out: Annotated[str | None, optional_flag(metavar="FIGURE")] = None
    """Figure (.png, .pdf or .svg); by default RUN.png beside the result file."""
    panel: Annotated[tuple[str, ...] | None, optional_flag(metavar="NAME [NAME ...]")] = None
    """Draw these variables of the file over time, such as loss or an observable, instead; of the
    collection of a sweep the one whose final value is drawn, by default alignment."""
    over: Annotated[tuple[str, ...] | None, optional_flag(metavar="SETTING [SETTING]")] = None
    """Of the collection of a sweep: draw over this setting as curves, over two as a heat map."""


@dataclass(frozen=True)
class PlotSettings(DebugSettings, OverwriteSettings, FigureSettings, RunFileSettings):
    """Draw the figure of a result file."""


@dataclass(frozen=True)
class InfoSettings(DebugSettings, JsonSettings, RunFileSettings):
    """Show what is in a result file, and how it was made."""


@dataclass(frozen=True)
class CheckingSettings:
    """What is checked, and where the verdicts go."""

    only: Annotated[tuple[str, ...] | None, optional_flag(metavar="ID [ID ...]")] = None
    """Statements to check, such as C-1 C-3 Eq-1; all by default."""
    ladder: bool = False
    """Repeat the run at rtol / 100 too: slower, sharper."""
    store: bool = False
    """Add the verdicts to the file, as group /checks."""
    html: Annotated[str | None, optional_flag(metavar="REPORT.html")] = None
    """Write a page with verdicts, figures and how the run was made; everything is inside it."""


@dataclass(frozen=True)
class CheckSettings(
    DebugSettings, JsonSettings, OverwriteSettings, CheckingSettings, RunFileSettings
):
    """Check every statement of the theory on a result file.

    Exit status: 0 all that apply hold, 1 one is violated, 2 one is inconclusive, 3 trajectories
    ended early and what there is of them is not violated.
    """


@dataclass(frozen=True)
class StatementSettings:
    """The statement that is attacked."""

    statement: Annotated[Positional[str], arg(metavar="STATEMENT")]
    """What to attack: an ID such as L-1, P-2-state, paper-C.3, descent."""
    drop_hypothesis: Annotated[tuple[str, ...] | None, optional_flag(metavar="NAME [NAME ...]")] = (
        None
    )
    """Hypotheses not to ask for: the search then goes through problems that miss one of them."""


@dataclass(frozen=True)
class SearchSettings:
    """How long to search, and where the finding goes."""

    examples: Annotated[int | None, at_least(1), optional_flag(metavar="INT")] = None
    """Most problems to try; by default 20000 states, or 1000 flows."""
    time_limit: Annotated[float, positive(), arg(metavar="SECONDS")] = 60.0
    """Longest time to search; a counterexample may take as long again to be made smaller."""
    out: Annotated[str | None, ends_in(".npz"), optional_flag(metavar="FILE.npz")] = None
    """File for the counterexample, or the tightest case: data and start of flowfa simulate."""


@dataclass(frozen=True)
class FalsifySettings(
    DebugSettings,
    JsonSettings,
    QuietSettings,
    OverwriteSettings,
    SearchSettings,
    SeedSettings,
    StatementSettings,
):
    """Search a counterexample of a statement, or else its tightest case.

    Exit status: 0 none was found, 1 one was found, 2 no problem met the hypotheses.
    """

    quiet: bool = False
    """Print counterexamples and errors only."""


@dataclass(frozen=True)
class DataFileSettings:
    """The data set that is made, and its file."""

    name: Annotated[Positional[str], arg(metavar="NAME")]
    """Data set: nearly-orthogonal, orthogonally-separable, gaussian, mixture, digits, mnist,
    cifar100 or tiny-imagenet."""
    # Without it numpy would add the ending, and the file would have another name.
    out: Annotated[str, ends_in(".npz"), arg(metavar="FILE.npz")]
    """File to write."""


@dataclass(frozen=True)
class DataMakeSettings(
    DebugSettings,
    QuietSettings,
    OverwriteSettings,
    SeedSettings,
    ImageFolderSettings,
    GeneratorSettings,
    DataFileSettings,
):
    """Generate a data set and write it to a file with arrays X and y."""


@dataclass(frozen=True)
class ImageSetSettings:
    """The image set that is fetched."""

    name: Annotated[Positional[str], arg(metavar="NAME")]
    """Image set: mnist, cifar100 or tiny-imagenet."""


@dataclass(frozen=True)
class DataFetchSettings(DebugSettings, QuietSettings, ImageFolderSettings, ImageSetSettings):
    """Download an image set from its official address, checked by its checksum; resumes."""


@dataclass(frozen=True)
class DataCertifiedSettings:
    """The file of data that is certified."""

    file: Annotated[Positional[str], arg(metavar="FILE.npz")]
    """File with arrays X and y."""


@dataclass(frozen=True)
class DataCertifySettings(DebugSettings, JsonSettings, DataCertifiedSettings):
    """Certify what the theory asks of data: lambda (D-1), gamma (D-2), rho and the margin (D-3)."""

"""The settings of commands that the library itself does not use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from flowfa.settings.imports import ImportSettings
from flowfa.settings.limits import (
    at_least,
    ends_in,
    fraction,
    from_to_below,
    not_empty,
    not_negative,
    one_of,
    positive,
    strict_fraction,
)
from flowfa.settings.naming import optional_flag
from flowfa.settings.output import (
    DebugSettings,
    FigureFormat,
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
class RunFilesSettings:
    """The result files that a command reads."""

    runs: Annotated[
        Positional[tuple[str, ...]],
        not_empty("file", "give a result file, such as run.nc"),
        arg(metavar="RUN.nc [RUN.nc ...]", help_behavior_hint="(required)"),
    ]
    """Result files; several are laid over each other."""


@dataclass(frozen=True)
class FigureSettings:
    """What a figure shows, how it looks, and where it goes."""

    out: Annotated[str | None, optional_flag(metavar="FIGURE")] = None
    """Figure (.png, .pdf or .svg); by default RUN.png beside the first result file."""
    format: FigureFormat = None
    """Format of the figure, if --out does not say it."""
    style: Annotated[str, one_of("screen", "paper"), arg(metavar="screen|paper")] = "screen"
    """paper: without titles and IDs, at the width of a column or a page of a journal."""
    panels: Annotated[
        tuple[str, ...] | None,
        not_empty("name", "give loss, alignment, conservation or factors"),
        one_of("loss", "alignment", "conservation", "factors"),
        optional_flag(metavar="NAME [NAME ...]"),
    ] = None
    """Draw these parts of the default figure only: loss, alignment, conservation, factors."""
    panel: Annotated[tuple[str, ...] | None, optional_flag(metavar="NAME [NAME ...]")] = None
    """Draw these variables of the file over time, such as loss or an observable, instead; of the
    collection of a sweep the one whose final value is drawn, by default alignment; of one with
    verdicts also margin:C-1, or verdict:C-1 for the share of cells where the statement holds."""
    over: Annotated[tuple[str, ...] | None, optional_flag(metavar="SETTING [SETTING]")] = None
    """Of the collection of a sweep: draw over this setting as curves, over two as a heat map."""


@dataclass(frozen=True)
class PlotSettings(
    DebugSettings, OverwriteSettings, ImportSettings, FigureSettings, RunFilesSettings
):
    """Draw the figure of a result file, or of several laid over each other."""


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
    laws: Annotated[str | None, optional_flag(metavar="LAWS.json")] = None
    """Check the laws of this file, which flowfa laws --out wrote; with --only statements too."""
    html: Annotated[str | None, optional_flag(metavar="REPORT.html")] = None
    """Write a page with verdicts, figures and how the run was made; everything is inside it."""


@dataclass(frozen=True)
class CheckSettings(
    DebugSettings,
    JsonSettings,
    OverwriteSettings,
    ImportSettings,
    CheckingSettings,
    RunFileSettings,
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
    ImportSettings,
    StatementSettings,
):
    """Search a counterexample of a statement, or else its tightest case.

    Exit status: 0 none was found, 1 one was found, 2 no problem met the hypotheses.
    """

    quiet: bool = False
    """Print counterexamples and errors only."""


@dataclass(frozen=True)
class LawNetworkSettings:
    """The rule and the network whose laws are asked for."""

    rule: Annotated[str, arg(metavar="NAME")]
    """Learning rule: gd, fa, adafa, signfa, dfa, frsf, brsf, kolen-pollack, drtp, low-rank-fa,
    low-rank-dfa."""
    sizes: Annotated[
        tuple[int, ...],
        not_empty("number", "give inputs, hidden widths and outputs"),
        at_least(1),
        arg(metavar="INT INT INT [INT ...]"),
    ]
    """Numbers of inputs, of neurons of each hidden layer, and of outputs: 3 4 3 2."""
    activation: Annotated[str, arg(metavar="NAME")] = "leaky-relu"
    """Activation of hidden layers: leaky-relu, identity, squared-relu, tanh."""
    leak: Annotated[
        float | None,
        fraction("a slope between 0 (ReLU) and 1 (linear)"),
        optional_flag(metavar="FLOAT"),
    ] = None
    """Slope of the leaky ReLU, by default 0.1; only whether it is 1 (linear) matters."""
    bias: Annotated[str, one_of("none", "hidden", "all"), arg(metavar="none|hidden|all")] = "none"
    """Which layers have a bias."""
    signfa_scale: Annotated[float | Literal["xavier"], positive(), arg(metavar="FLOAT|xavier")] = (
        1.0
    )
    """Scale s of signfa's feedback s sign(W)^T."""


@dataclass(frozen=True)
class LawMotionSettings:
    """What else moves the weights."""

    dataset: Annotated[str | None, optional_flag(metavar="FILE.npz")] = None
    """These samples only, each with any residual; by default any data."""
    momentum: Annotated[float | None, strict_fraction(), optional_flag(metavar="FLOAT")] = None
    """Heavy-ball momentum mu, as the flow with friction 1 - mu: laws of weights and velocities."""
    weight_decay: Annotated[
        tuple[float, ...] | None, not_negative(), optional_flag(metavar="FLOAT [FLOAT ...]")
    ] = None
    """Weight decay, one rate for all layers or one for each: laws may depend on time."""
    rates: Annotated[
        tuple[float, ...] | None, positive(), optional_flag(metavar="FLOAT [FLOAT ...]")
    ] = None
    """Learning rate of each layer; by default 1 for all."""
    readouts: bool = False
    """Add the virtual readouts of earlier layers to the state, with which dfa has laws there."""


@dataclass(frozen=True)
class LawSearchSettings:
    """How laws are searched, and where they go."""

    degree: Annotated[int, from_to_below(2, 9), arg(metavar="INT")] = 2
    """Largest degree of monomials, of small networks: 4 tries all up to degree 4."""
    steps: bool = False
    """Say what a discrete step adds to each law."""
    out: Annotated[str | None, ends_in(".json"), optional_flag(metavar="LAWS.json")] = None
    """File for the laws, for flowfa check --laws."""


@dataclass(frozen=True)
class LawsSettings(
    DebugSettings,
    JsonSettings,
    OverwriteSettings,
    LawSearchSettings,
    SeedSettings,
    ImportSettings,
    LawMotionSettings,
    LawNetworkSettings,
):
    """Count and find what a rule's flow conserves, over all data and losses."""


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

"""The subcommands and their flags; what they do is in the modules named after them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from flowfa.settings.simulation import optional_flag


@dataclass(frozen=True)
class PlotCommand:
    """Draw the figure of a result file."""

    run: Annotated[Positional[str], arg(metavar="RUN.nc")]
    """Result file."""
    out: Annotated[str | None, optional_flag(metavar="FIGURE")] = None
    """Figure (.png, .pdf or .svg); by default RUN.png beside the result file."""
    panel: Annotated[tuple[str, ...] | None, optional_flag(metavar="NAME [NAME ...]")] = None
    """Draw these variables of the file over time, such as loss or an observable, instead."""
    overwrite: bool = False
    """Replace an existing figure."""
    debug: bool = False
    """Show the traceback of an error."""


@dataclass(frozen=True)
class InfoCommand:
    """Show what is in a result file, and how it was made."""

    run: Annotated[Positional[str], arg(metavar="RUN.nc")]
    """Result file."""
    json: bool = False
    """Print one JSON document."""
    debug: bool = False
    """Show the traceback of an error."""


@dataclass(frozen=True)
class CheckCommand:
    """Check every statement of the theory on a result file.

    Exit status: 0 all that apply hold, 1 one is violated, 2 one is inconclusive, 3 trajectories
    ended early and what there is of them is not violated.
    """

    run: Annotated[Positional[str], arg(metavar="RUN.nc")]
    """Result file."""
    only: Annotated[tuple[str, ...] | None, optional_flag(metavar="ID [ID ...]")] = None
    """Statements to check, such as C-1 C-3 Eq-1; all by default."""
    ladder: bool = False
    """Repeat the run at rtol / 100 too: slower, sharper."""
    store: bool = False
    """Add the verdicts to the file, as group /checks."""
    html: Annotated[str | None, optional_flag(metavar="REPORT.html")] = None
    """Write a page with verdicts, figures and how the run was made; everything is inside it."""
    overwrite: bool = False
    """Replace an existing page."""
    json: bool = False
    """Print one JSON document."""
    debug: bool = False
    """Show the traceback of an error."""


@dataclass(frozen=True)
class FalsifyCommand:
    """Search a counterexample of a statement, or else its tightest case.

    Exit status: 0 none was found, 1 one was found, 2 no problem met the hypotheses.
    """

    statement: Annotated[Positional[str], arg(metavar="STATEMENT")]
    """What to attack: an ID such as L-1, P-2-state, paper-C.3, descent."""
    drop_hypothesis: Annotated[tuple[str, ...] | None, optional_flag(metavar="NAME [NAME ...]")] = (
        None
    )
    """Hypotheses not to ask for: the search then goes through problems that miss one of them."""
    seed: int = 0
    """Seed of everything random."""
    examples: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Most problems to try; by default 20000 states, or 1000 flows."""
    time_limit: Annotated[float, arg(metavar="SECONDS")] = 60.0
    """Longest time to search; a counterexample may take as long again to be made smaller."""
    out: Annotated[str | None, optional_flag(metavar="FILE.npz")] = None
    """File for the counterexample, or the tightest case: data and start of flowfa simulate."""
    overwrite: bool = False
    """Replace an existing file."""
    quiet: bool = False
    """Print counterexamples and errors only."""
    json: bool = False
    """Print one JSON document."""
    debug: bool = False
    """Show the traceback of an error."""


@dataclass(frozen=True)
class DataMakeCommand:
    """Generate a data set and write it to a file with arrays X and y."""

    name: Annotated[Positional[str], arg(metavar="NAME")]
    """Data set: nearly-orthogonal, orthogonally-separable, gaussian, mixture, digits, mnist,
    cifar100 or tiny-imagenet."""
    out: Annotated[str, arg(metavar="FILE.npz")]
    """File to write."""
    samples: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Number of samples n; by default the data set's own."""
    dim: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Number of features d; by default the data set's own."""
    gamma: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Near orthogonality (D-2) of nearly-orthogonal data."""
    norm_ratio: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Greatest over least norm of nearly-orthogonal samples."""
    lambda_: Annotated[float | None, optional_flag(name="lambda", metavar="FLOAT")] = None
    """Separation (D-1) of orthogonally-separable data."""
    kind: Annotated[str | None, optional_flag(metavar="NAME")] = None
    """Kind of orthogonally-separable data: strict (D-1) or phuong-lampert."""
    components: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Number of classes of a mixture: two give labels -1/+1, more give class numbers."""
    separation: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Distance of the means of a mixture."""
    label_noise: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Fraction of labels that are wrong, of data sets that have such noise."""
    noise_kind: Annotated[str | None, optional_flag(metavar="NAME")] = None
    """Label noise of images: uniform-other (default), uniform or pair-flip."""
    classes: Annotated[tuple[int, ...] | None, optional_flag(metavar="INT [INT ...]")] = None
    """Which classes of digits or images: a pair gives labels -1/+1, more give class numbers."""
    random_classes: Annotated[int | None, optional_flag(metavar="INT")] = None
    """How many random classes of images, instead of --classes."""
    split: Annotated[str | None, optional_flag(metavar="train|test")] = None
    """Which images of an image set, by default train."""
    size: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Height and width that images are resized to; by default their own."""
    data_dir: Annotated[str | None, optional_flag(metavar="FOLDER")] = None
    """Folder of the image sets; by default that in FLOWFA_DATA."""
    seed: int = 0
    """Seed of everything random."""
    overwrite: bool = False
    """Replace an existing file."""
    quiet: bool = False
    """Print errors only."""
    debug: bool = False
    """Show the traceback of an error."""


@dataclass(frozen=True)
class DataFetchCommand:
    """Download an image set from its official address, checked by its checksum; resumes."""

    name: Annotated[Positional[str], arg(metavar="NAME")]
    """Image set: mnist, cifar100 or tiny-imagenet."""
    data_dir: Annotated[str | None, optional_flag(metavar="FOLDER")] = None
    """Folder of the image sets; by default that in FLOWFA_DATA."""
    quiet: bool = False
    """Print errors only."""
    debug: bool = False
    """Show the traceback of an error."""


@dataclass(frozen=True)
class DataCertifyCommand:
    """Certify what the theory asks of data: lambda (D-1), gamma (D-2), rho and the margin (D-3)."""

    file: Annotated[Positional[str], arg(metavar="FILE.npz")]
    """File with arrays X and y."""
    json: bool = False
    """Print one JSON document."""
    debug: bool = False
    """Show the traceback of an error."""

"""What one simulation is asked to do: the flags of ``flowfa simulate`` and the keys of its TOML."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

# What may differ between an interrupted run and the one that resumes it.
PRESENTATION_KEYS = (
    "threads",
    "out",
    "plot",
    "overwrite",
    "resume",
    "check",
    "checkpoint_every",
    "data_dir",
    "config",
    "quiet",
    "json",
    "debug",
)


# Settings that are options of data sets, under the names of the generators' arguments.
DATA_OPTIONS = (
    "samples",
    "dim",
    "gamma",
    "norm_ratio",
    "lambda_",
    "kind",
    "components",
    "separation",
    "label_noise",
    "noise_kind",
    "classes",
    "random_classes",
    "split",
    "size",
    "data_dir",
)


def optional_flag(metavar: str, name: str | None = None) -> object:
    """Return how a flag that may be left out is shown: without the default ``None``."""
    return arg(
        name=name,
        metavar=metavar,
        help_behavior_hint=lambda shown: "" if shown == "None" else f"(default: {shown})",
    )


@dataclass(frozen=True)
class ProblemFlags:
    """Network, data and start: the flags that every kind of run has."""

    rule: Annotated[tuple[str, ...], arg(metavar="NAME [NAME ...]")] = ("fa",)
    """Learning rules, side by side from the same starts: gd, fa, adafa, signfa, dfa, frsf."""
    width: Annotated[tuple[int, ...] | None, optional_flag(metavar="INT [INT ...]")] = None
    """Width of each hidden layer, by default 100; several numbers make several hidden layers."""
    trajectories: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Number of starts, by default 8, or as many as files have; each rule runs from every one."""
    seed: int = 0
    """Seed of everything random; start i is the same whatever the number of starts."""
    dataset: Annotated[str, arg(metavar="NAME|FILE.npz")] = "nearly-orthogonal"
    """nearly-orthogonal, orthogonally-separable, gaussian, mixture, digits, mnist, cifar100,
    tiny-imagenet, or file of X and y."""
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
    fresh_data: bool = False
    """Give each start a data set of its own instead of one for all."""
    activation: Annotated[str, arg(metavar="NAME")] = "leaky-relu"
    """Activation of hidden layers: leaky-relu, identity, squared-relu, tanh."""
    leak: float = 0.1
    """Slope of the leaky ReLU for z <= 0, from 0 (ReLU) to 1 (linear)."""
    smooth_kinks: Annotated[float | None, optional_flag(metavar="EPS")] = None
    """Blend the slope over |z| < EPS, for solvers that chatter in deep nets; by default exact."""
    loss: Annotated[str | None, optional_flag(metavar="NAME")] = None
    """exponential (default for labels -1/+1), logistic, cross-entropy (classes) or squared."""
    bias: Annotated[str, arg(metavar="none|hidden|all")] = "none"
    """Which layers have a bias."""
    init: Annotated[str, arg(metavar="NAME|FILE.npz")] = "aligned"
    """Start: aligned (satisfies Lemma 5.4), xavier, normal, or a file with W1, W2, ..."""
    init_scale: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Scale of the random start; by default the start's own."""
    signfa_scale: Annotated[str, arg(metavar="FLOAT|xavier")] = "1"
    """Scale s of signfa's feedback s sign(W)^T."""


@dataclass(frozen=True)
class SimulateConfiguration(ProblemFlags):
    """Integrate training flows of (leaky) ReLU networks, one or several rules side by side.

    Without flags: a two-layer leaky ReLU network of width 100 under feedback alignment, nearly
    orthogonal data, exponential loss, 8 trajectories from aligned starts. Writes a result file
    and a figure. The same names are the keys of a --config file; a flag overrides the file.
    """

    t_end: float = 100.0
    """Time at which the flow ends."""
    solver: Annotated[str, arg(metavar="NAME")] = "auto"
    """Solver: auto, hybrid, event, bosh3, dopri5, tsit5, dop853, gauss2, gauss4, gauss6, euler,
    heun, rk4 or torchdiffeq:NAME."""
    rtol: float = 1e-4
    """Relative tolerance of adaptive solvers."""
    atol: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Absolute tolerance of adaptive solvers; by default rtol / 100."""
    step: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Step of fixed-step solvers."""
    controller: Annotated[str, arg(metavar="pi|i")] = "pi"
    """Step size control of adaptive solvers."""
    max_steps: int = 100_000
    """Steps after which a trajectory is given up."""
    save: int = 200
    """Number of times at which the flow is recorded, both ends included."""
    spacing: Annotated[str, arg(metavar="linear|log")] = "linear"
    """Spacing of the recorded times."""
    snapshots: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Number of recorded times at which all weights are kept, both ends included; by default 5."""
    observe: Annotated[tuple[str, ...], arg(metavar="NAME [NAME ...]")] = ()
    """Observables to record beside the usual ones, such as normalised-margin."""
    device: str = "cpu"
    """Where to compute: cpu, cuda, cuda:1, ..."""
    dtype: Annotated[str, arg(metavar="float64|float32")] = "float64"
    """Floating point type."""
    threads: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Number of CPU threads; by default what is measured to be faster on this machine."""
    out: Annotated[str, arg(metavar="RUN.nc")] = "run.nc"
    """Result file."""
    plot: Annotated[str | None, optional_flag(metavar="FIGURE|none")] = None
    """Figure (.png, .pdf or .svg), by default RUN.png beside the result; none for no figure."""
    check: Annotated[bool, arg(help_behavior_hint="")] = True
    """Skip the verdicts on the theory's statements, which take about as long as the run."""
    overwrite: bool = False
    """Replace existing output."""
    resume: bool = False
    """Go on from the checkpoint of an interrupted run with the same --out."""
    checkpoint_every: float = 15.0
    """Seconds between checkpoints."""
    config: Annotated[str | None, optional_flag(metavar="FILE.toml")] = None
    """TOML file with these settings."""
    quiet: bool = False
    """Print errors only."""
    json: bool = False
    """Print the summary as one JSON document."""
    debug: bool = False
    """Show the traceback of an error."""

    def to_json_dict(self) -> dict[str, Any]:
        """Return the settings under their TOML keys, tuples as lists, ready for JSON."""
        return {
            key_of(name): list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @property
    def figure(self) -> Path | None:
        """Where the figure goes: beside the run if not said otherwise; None for no figure."""
        return figure_of(self.out, self.plot)


def figure_of(out: str, plot: str | None) -> Path | None:
    """Return where the figure of a result goes; None for no figure."""
    if plot == "none":
        return None
    return Path(out).with_suffix(".png") if plot is None else Path(plot)


def key_of(field_name: str) -> str:
    """Return the TOML key of a field: its name, without the underscore that Python needs."""
    return field_name.rstrip("_")


def flag_of(field_name: str) -> str:
    """Return the command line flag of a field."""
    return "--" + key_of(field_name).replace("_", "-")


RESULT_KEYS = tuple(
    key_of(field.name)
    for field in fields(SimulateConfiguration)
    if key_of(field.name) not in PRESENTATION_KEYS
)

"""What an experiment is asked to do: flags of ``flowfa experiment``, keys of its TOML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import Positional, arg

from flowfa.configuration.settings import optional_flag
from flowfa.registry import unknown_name

EXPERIMENTS = ("noisy-mnist",)
PROTOCOL_KEYS = (
    "widths",
    "runs",
    "images",
    "test_images",
    "label_noise",
    "noise_kind",
    "epochs",
    "rate",
    "divide_every",
    "momentum",
    "leak",
    "init_scale",
    "signfa_scale",
    "track_every",
    "dtype",
    "flow_up_to",
    "flow_rtol",
)
"""Numbers of the protocol that a flag replaces."""


@dataclass(frozen=True)
class ExperimentConfiguration:
    """Repeat an experiment of the paper: noisy-mnist, Figures 2, 3, 4 and table B.1.

    --scale quick takes minutes and its numbers are not the paper's; --scale paper is the protocol
    itself and takes hours. Every number can be changed by a flag. The folder of --out gets
    report.html, report.md, figures and noisy-mnist.nc. MNIST must be in FLOWFA_DATA: flowfa data
    fetch mnist.
    """

    name: Annotated[Positional[str], arg(metavar="NAME", help_behavior_hint="")] = ""
    """Experiment: noisy-mnist."""
    scale: Annotated[str, arg(metavar="quick|paper")] = "quick"
    """Whose numbers are the defaults."""
    rule: Annotated[tuple[str, ...] | None, optional_flag(metavar="NAME [NAME ...]")] = None
    """Learning rules: of fa, adafa, signfa, gd; all by default."""
    widths: Annotated[tuple[int, ...] | None, optional_flag(metavar="INT [INT ...]")] = None
    """Widths of the hidden layer, increasing (paper 15 to 200, ten; quick 15 60 200)."""
    runs: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Runs of each width, each with images, noise and start of its own (paper 6, quick 2)."""
    images: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Training images of a run (paper 4000, quick 1000)."""
    test_images: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Test images (paper all 10000, quick 2000)."""
    label_noise: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Share of the training labels that are replaced (0.2)."""
    noise_kind: Annotated[str | None, optional_flag(metavar="NAME")] = None
    """uniform-other (default), uniform or pair-flip."""
    epochs: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Full-batch steps (paper 6000, quick 600)."""
    rate: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Learning rate at the start (0.05)."""
    divide_every: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Epochs after which the rate is divided by 10, again and again (paper 1000, quick 100)."""
    momentum: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Heavy-ball momentum (0.05)."""
    leak: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Slope of the leaky ReLU for z <= 0 (0.01)."""
    init_scale: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Weights and feedback are N(0, FLOAT^2 / width) (1)."""
    signfa_scale: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Scale s of signfa (1)."""
    track_every: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Epochs between two records (5)."""
    dtype: Annotated[str | None, optional_flag(metavar="float64|float32")] = None
    """Floating point type (paper float32, quick float64)."""
    flow_up_to: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Widths up to this one are also integrated as flows; 0 for none (paper 15, quick 200)."""
    flow_rtol: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Relative tolerance of the flows (1e-5)."""
    seed: int = 0
    """Seed of everything random."""
    data_dir: Annotated[str | None, optional_flag(metavar="FOLDER")] = None
    """Folder of the image sets; by default that in FLOWFA_DATA."""
    device: str = "cpu"
    """Where to compute: cpu, cuda, cuda:1, ..."""
    threads: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Number of CPU threads; by default what is measured to be faster on this machine."""
    out: Annotated[str, arg(metavar="DIR")] = "noisy-mnist"
    """Folder of the report."""
    overwrite: bool = False
    """Replace existing output."""
    resume: bool = False
    """Go on with an interrupted experiment of the same --out, bit for bit."""
    checkpoint_every: int = 100
    """Epochs between checkpoints."""
    config: Annotated[str | None, optional_flag(metavar="FILE.toml")] = None
    """TOML file with these settings."""
    quiet: bool = False
    """Print errors only."""
    json: bool = False
    """Print the summary as one JSON document."""
    debug: bool = False
    """Show the traceback of an error."""

    @property
    def changes(self) -> dict[str, Any]:
        """What replaces numbers of the scale's protocol; None leaves one as it is."""
        changes = {key: getattr(self, key) for key in PROTOCOL_KEYS}
        return {**changes, "rules": self.rule, "seed": self.seed}


def validate_experiment(configuration: ExperimentConfiguration) -> None:
    """Refuse an experiment that is not there; its numbers are checked where they are used.

    Raises
    ------
    InputError
        If the name is unknown or missing.
    """
    if configuration.name not in EXPERIMENTS:
        raise unknown_name("experiment", configuration.name, EXPERIMENTS)

"""What an experiment is asked to do: flags of ``flowfa experiment``, keys of its TOML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import Positional, arg

from flowfa.errors import InputError
from flowfa.registry import unknown_name
from flowfa.settings.simulation import optional_flag

NETWORK_EXPERIMENTS = ("cifar100", "tiny-imagenet")
EXPERIMENTS = ("noisy-mnist", *NETWORK_EXPERIMENTS)
SHARED_KEYS = (
    "images",
    "test_images",
    "epochs",
    "rate",
    "momentum",
    "signfa_scale",
    "track_every",
    "dtype",
)
MNIST_KEYS = (
    "widths",
    "runs",
    "label_noise",
    "noise_kind",
    "divide_every",
    "leak",
    "init_scale",
    "flow_up_to",
    "flow_rtol",
)
NETWORK_KEYS = (
    "classes",
    "repeats",
    "batch",
    "weight_decay",
    "halve_at",
    "model",
    "dataset",
    "size",
    "padding",
    "stem",
)
"""Numbers of the protocols that a flag replaces: of all, of noisy-mnist, of the others."""


@dataclass(frozen=True)
class ExperimentConfiguration:
    """Repeat an experiment of the paper.

    noisy-mnist: Figures 2, 3, 4 and table B.1; cifar100: table 1 and B.2; tiny-imagenet: table 2
    and B.2. --scale quick takes minutes and its numbers are not the paper's; --scale paper is the
    protocol itself and takes hours. Every number can be changed by a flag. The folder of --out
    gets report.html, report.md, figures and NAME.nc. The images must be in FLOWFA_DATA: flowfa
    data fetch mnist, cifar100 or tiny-imagenet.
    """

    name: Annotated[Positional[str], arg(metavar="NAME", help_behavior_hint="")] = ""
    """Experiment: noisy-mnist, cifar100 or tiny-imagenet."""
    scale: Annotated[str, arg(metavar="quick|paper")] = "quick"
    """Whose numbers are the defaults."""
    rule: Annotated[tuple[str, ...] | None, optional_flag(metavar="NAME [NAME ...]")] = None
    """Learning rules: of fa, adafa, signfa, gd; all by default."""
    widths: Annotated[tuple[int, ...] | None, optional_flag(metavar="INT [INT ...]")] = None
    """noisy-mnist: widths of the hidden layer, increasing (15 to 200, ten; quick 15 60 200)."""
    runs: Annotated[int | None, optional_flag(metavar="INT")] = None
    """noisy-mnist: runs of each width, each with its own images, noise and start (6, quick 2)."""
    classes: Annotated[tuple[int, ...] | None, optional_flag(metavar="INT [INT ...]")] = None
    """cifar100, tiny-imagenet: numbers N of random classes, increasing (paper 10 25 50)."""
    repeats: Annotated[int | None, optional_flag(metavar="INT")] = None
    """cifar100, tiny-imagenet: runs of each N, each with its own classes, images and start."""
    model: Annotated[str | None, optional_flag(metavar="lenet|resnet18")] = None
    """cifar100, tiny-imagenet: network (cifar100 lenet, tiny-imagenet resnet18)."""
    dataset: Annotated[str | None, optional_flag(metavar="cifar100|tiny-imagenet")] = None
    """cifar100, tiny-imagenet: images, if not those of the experiment's name."""
    size: Annotated[int | None, optional_flag(metavar="INT")] = None
    """cifar100, tiny-imagenet: height and width to which images are resized."""
    padding: Annotated[int | None, optional_flag(metavar="INT")] = None
    """cifar100, tiny-imagenet: padding of LeNet's convolutions (0)."""
    stem: Annotated[str | None, optional_flag(metavar="imagenet|small")] = None
    """cifar100, tiny-imagenet: first layers of ResNet-18 (imagenet)."""
    images: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Training images of a run, or of each class (noisy-mnist 4000, quick 1000; others all)."""
    test_images: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Test images, or of each class (paper all)."""
    label_noise: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """noisy-mnist: share of the training labels that are replaced (0.2)."""
    noise_kind: Annotated[str | None, optional_flag(metavar="NAME")] = None
    """noisy-mnist: uniform-other (default), uniform or pair-flip."""
    epochs: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Epochs; of noisy-mnist full-batch steps (6000, quick 600), cifar100 500, tiny-imagenet 50."""
    batch: Annotated[int | None, optional_flag(metavar="INT")] = None
    """cifar100, tiny-imagenet: images of a step (1024, 512; quick 32)."""
    rate: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Learning rate at the start (noisy-mnist 0.05, others 0.01)."""
    halve_at: Annotated[tuple[int, ...] | None, optional_flag(metavar="INT [INT ...]")] = None
    """cifar100, tiny-imagenet: epochs at which the rate is halved (100 250; 20 40)."""
    weight_decay: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """cifar100, tiny-imagenet: weight decay (1e-4)."""
    divide_every: Annotated[int | None, optional_flag(metavar="INT")] = None
    """noisy-mnist: epochs after which the rate is divided by 10, each time (1000, quick 100)."""
    momentum: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Heavy-ball momentum (noisy-mnist 0.05, others 0.9)."""
    leak: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """noisy-mnist: slope of the leaky ReLU for z <= 0 (0.01)."""
    init_scale: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """noisy-mnist: weights and feedback are N(0, FLOAT^2 / width) (1)."""
    signfa_scale: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Scale s of signfa (noisy-mnist 1, others sqrt(2/(fan_in + fan_out)) of each layer)."""
    track_every: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Epochs between two records (5; tiny-imagenet 1)."""
    dtype: Annotated[str | None, optional_flag(metavar="float64|float32")] = None
    """Floating point type (float32; noisy-mnist's quick float64)."""
    flow_up_to: Annotated[int | None, optional_flag(metavar="INT")] = None
    """noisy-mnist: widths up to this are also integrated as flows; 0 for none (15, quick 60)."""
    flow_rtol: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """noisy-mnist: relative tolerance of the flows (1e-5)."""
    seed: int = 0
    """Seed of everything random."""
    data_dir: Annotated[str | None, optional_flag(metavar="FOLDER")] = None
    """Folder of the image sets; by default that in FLOWFA_DATA."""
    device: str = "cpu"
    """Where to compute: cpu, cuda, cuda:1, ..."""
    threads: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Number of CPU threads; by default what is measured to be faster on this machine."""
    out: Annotated[str | None, optional_flag(metavar="DIR")] = None
    """Folder of the report; by default the experiment's name."""
    overwrite: bool = False
    """Replace existing output."""
    resume: bool = False
    """Go on with an interrupted experiment of the same --out, bit for bit."""
    checkpoint_every: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Epochs between checkpoints (noisy-mnist 100, others 5)."""
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
        own = NETWORK_KEYS if self.name in NETWORK_EXPERIMENTS else MNIST_KEYS
        changes = {key: getattr(self, key) for key in (*SHARED_KEYS, *own)}
        return {**changes, "rules": self.rule, "seed": self.seed}

    @property
    def folder(self) -> str:
        """The folder of the report."""
        return self.name if self.out is None else self.out


def validate_experiment(configuration: ExperimentConfiguration) -> None:
    """Refuse an experiment that is not there; its numbers are checked where they are used.

    Raises
    ------
    InputError
        If the name is unknown or missing, or a flag is that of another experiment.
    """
    name = configuration.name
    if not name:
        raise InputError(f"name an experiment: {', '.join(EXPERIMENTS)}")
    if name not in EXPERIMENTS:
        raise unknown_name("experiment", name, EXPERIMENTS)
    networks = name in NETWORK_EXPERIMENTS
    for key in MNIST_KEYS if networks else NETWORK_KEYS:
        if getattr(configuration, key) is not None:
            others = "noisy-mnist" if networks else "cifar100 and tiny-imagenet"
            raise InputError(
                f"--{key.replace('_', '-')} is no flag of {name}: it belongs to {others}; leave it "
                "out"
            )

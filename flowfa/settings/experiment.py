"""The settings of an experiment of the paper: its numbers, and the flags that replace them.

The numbers of each experiment are declared here once, with the paper's as their defaults;
``flowfa experiment`` has all of them as flags. For flags that are left out, the numbers of the
scale hold.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, make_dataclass
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from flowfa.errors import InputError
from flowfa.registry import unknown_name
from flowfa.settings.limits import (
    at_least,
    fraction,
    from_to_below,
    increasing,
    not_empty,
    not_negative,
    one_of,
    positive,
    unique,
)
from flowfa.settings.naming import optional_fields, optional_flag, shown, to_json_dict
from flowfa.settings.output import FigureFormat, PresentationSettings, ResumeSettings
from flowfa.settings.problem import ImageFolderSettings, SeedSettings
from flowfa.settings.recording import DeviceSettings, ThreadsSettings
from flowfa.settings.validation import condition

NETWORK_EXPERIMENTS = ("cifar100", "tiny-imagenet")
EXPERIMENTS = ("noisy-mnist", *NETWORK_EXPERIMENTS)
SCALES = ("quick", "paper")
RULES = ("fa", "adafa", "signfa", "gd")


@dataclass(frozen=True)
class ExperimentNumbers(SeedSettings):
    """Numbers that all experiments have.

    Attributes
    ----------
    scale : {"paper", "quick"}
        Whose defaults these numbers are.
    rules : tuple of str
        Of `RULES`.
    """

    scale: str = "paper"
    rules: Annotated[
        tuple[str, ...], not_empty("name", "name at least one rule"), one_of(*RULES), unique()
    ] = RULES
    images: Annotated[
        int | None,
        at_least(1),
        shown(
            "INT",
            "Training images of a run, or of each class (noisy-mnist 4000, quick 1000; others "
            "all).",
        ),
    ] = None
    test_images: Annotated[
        int | None, at_least(1), shown("INT", "Test images, or of each class (paper all).")
    ] = None
    epochs: Annotated[
        int,
        at_least(1),
        shown(
            "INT",
            "Epochs; of noisy-mnist full-batch steps (6000, quick 600), cifar100 500, "
            "tiny-imagenet 50.",
        ),
    ] = 500
    rate: Annotated[
        float,
        positive(),
        shown("FLOAT", "Learning rate at the start (noisy-mnist 0.05, others 0.01)."),
    ] = 0.01
    momentum: Annotated[
        float,
        from_to_below(0.0, 1.0),
        shown("FLOAT", "Heavy-ball momentum (noisy-mnist 0.05, others 0.9)."),
    ] = 0.9
    signfa_scale: Annotated[
        float | Literal["xavier"],
        positive(),
        shown(
            "FLOAT|xavier",
            "Scale s of signfa (noisy-mnist 1; others xavier, sqrt(2/(fan_in + fan_out)) of each "
            "layer).",
        ),
    ] = "xavier"
    track_every: Annotated[
        int, at_least(1), shown("INT", "Epochs between two records (5; tiny-imagenet 1).")
    ] = 5
    dtype: Annotated[
        str,
        one_of("float64", "float32"),
        shown("float64|float32", "Floating point type (float32; noisy-mnist's quick float64)."),
    ] = "float32"

    def to_json_dict(self) -> dict[str, Any]:
        """Return the numbers by name, ready for JSON."""
        return to_json_dict(self)


@dataclass(frozen=True)
class NoisyMnistNumbers(ExperimentNumbers):
    """Numbers of E-1; the paper does not state scale of the weights, leak and form of the noise."""

    images: Annotated[int, at_least(1)] = 4000
    epochs: Annotated[int, at_least(1)] = 6000
    rate: Annotated[float, positive()] = 0.05
    momentum: Annotated[float, from_to_below(0.0, 1.0)] = 0.05
    signfa_scale: Annotated[float, positive()] = 1.0
    widths: Annotated[
        tuple[int, ...],
        not_empty("number", "give at least one, such as `widths=(15, 60, 200)`"),
        increasing(),
        at_least(1),
        shown(
            "INT [INT ...]",
            "noisy-mnist: widths of the hidden layer, increasing (15 to 200, ten; quick 15 60 "
            "200).",
        ),
    ] = (15, 30, 45, 60, 75, 100, 125, 150, 175, 200)
    runs: Annotated[
        int,
        at_least(1),
        shown(
            "INT",
            "noisy-mnist: runs of each width, each with its own images, noise and start (6, quick "
            "2).",
        ),
    ] = 6
    label_noise: Annotated[
        float,
        from_to_below(0.0, 1.0),
        shown("FLOAT", "noisy-mnist: share of the training labels that are replaced (0.2)."),
    ] = 0.2
    noise_kind: Annotated[
        str,
        one_of("uniform-other", "uniform", "pair-flip"),
        shown("NAME", "noisy-mnist: uniform-other (default), uniform or pair-flip."),
    ] = "uniform-other"
    divide_every: Annotated[
        int,
        at_least(1),
        shown(
            "INT",
            "noisy-mnist: epochs after which the rate is divided by 10, each time (1000, quick "
            "100).",
        ),
    ] = 1000
    leak: Annotated[
        float,
        fraction("a slope between 0 (ReLU) and 1 (linear)"),
        shown("FLOAT", "noisy-mnist: slope of the leaky ReLU for z <= 0 (0.01)."),
    ] = 0.01
    init_scale: Annotated[
        float,
        positive(),
        shown("FLOAT", "noisy-mnist: weights and feedback are N(0, FLOAT^2 / width) (1)."),
    ] = 1.0
    flow_up_to: Annotated[
        int,
        at_least(0),
        shown(
            "INT",
            "noisy-mnist: widths up to this are also integrated as flows; 0 for none (15, quick "
            "60).",
        ),
    ] = 15
    flow_rtol: Annotated[
        float,
        from_to_below(1e-12, 1.0),
        shown("FLOAT", "noisy-mnist: relative tolerance of the flows (1e-5)."),
    ] = 1e-5


@dataclass(frozen=True)
class ImageNetworkNumbers(ExperimentNumbers):
    """Numbers of E-2 and E-3; the paper does not state padding, stem and the scale of signfa.

    Attributes
    ----------
    name : {"cifar100", "tiny-imagenet"}
        The experiment: E-2 or E-3.
    """

    name: str = "cifar100"
    classes: Annotated[
        tuple[int, ...],
        not_empty("number", "give at least one, such as `classes=(10, 25)`"),
        increasing(),
        at_least(2),
        shown(
            "INT [INT ...]",
            "cifar100, tiny-imagenet: numbers N of random classes, increasing (paper 10 25 50).",
        ),
    ] = (10, 25, 50)
    repeats: Annotated[
        int,
        at_least(1),
        shown(
            "INT",
            "cifar100, tiny-imagenet: runs of each N, each with its own classes, images and start.",
        ),
    ] = 6
    model: Annotated[
        str,
        one_of("lenet", "resnet18"),
        shown(
            "lenet|resnet18",
            "cifar100, tiny-imagenet: network (cifar100 lenet, tiny-imagenet resnet18).",
        ),
    ] = "lenet"
    dataset: Annotated[
        str,
        one_of("cifar100", "tiny-imagenet"),
        shown(
            "cifar100|tiny-imagenet",
            "cifar100, tiny-imagenet: images, if not those of the experiment's name.",
        ),
    ] = "cifar100"
    size: Annotated[
        int | None,
        at_least(1),
        shown("INT", "cifar100, tiny-imagenet: height and width to which images are resized."),
    ] = None
    padding: Annotated[
        int,
        at_least(0),
        shown("INT", "cifar100, tiny-imagenet: padding of LeNet's convolutions (0)."),
    ] = 0
    stem: Annotated[
        str,
        one_of("imagenet", "small"),
        shown("imagenet|small", "cifar100, tiny-imagenet: first layers of ResNet-18 (imagenet)."),
    ] = "imagenet"
    batch: Annotated[
        int,
        at_least(1),
        shown("INT", "cifar100, tiny-imagenet: images of a step (1024, 512; quick 32)."),
    ] = 1024
    halve_at: Annotated[
        tuple[int, ...],
        shown(
            "INT [INT ...]",
            "cifar100, tiny-imagenet: epochs at which the rate is halved (100 250; 20 40).",
        ),
    ] = (100, 250)
    weight_decay: Annotated[
        float,
        not_negative(),
        shown("FLOAT", "cifar100, tiny-imagenet: weight decay (1e-4)."),
    ] = 1e-4


@dataclass(frozen=True)
class ExperimentNameSettings:
    """Which experiment, at which scale, under which rules."""

    name: Annotated[Positional[str], arg(metavar="NAME", help_behavior_hint="")] = ""
    """Experiment: noisy-mnist, cifar100 or tiny-imagenet."""
    scale: Annotated[str, one_of(*SCALES), arg(metavar="quick|paper")] = "quick"
    """Whose numbers are the defaults."""
    rule: Annotated[tuple[str, ...] | None, optional_flag(metavar="NAME [NAME ...]")] = None
    """Learning rules: of fa, adafa, signfa, gd; all by default."""


@dataclass(frozen=True)
class ExperimentReportSettings:
    """The folder of the report of an experiment."""

    out: Annotated[str | None, optional_flag(metavar="DIR")] = None
    """Folder of the report; by default the experiment's name."""
    format: FigureFormat = None
    """Write the figures as pdf or svg too, at the width of a page of a journal."""


@dataclass(frozen=True)
class EpochCheckpointSettings:
    """How often an experiment writes a checkpoint."""

    checkpoint_every: Annotated[int | None, at_least(1), optional_flag(metavar="INT")] = None
    """Epochs between checkpoints (noisy-mnist 100, others 5)."""


@dataclass(frozen=True)
class ExperimentSettings(
    PresentationSettings,
    EpochCheckpointSettings,
    ResumeSettings,
    ExperimentReportSettings,
    ThreadsSettings,
    DeviceSettings,
    ImageFolderSettings,
    SeedSettings,
    ExperimentNameSettings,
):
    """Repeat an experiment of the paper.

    noisy-mnist: Figures 2, 3, 4 and table B.1; cifar100: table 1 and B.2; tiny-imagenet: table 2
    and B.2. --scale quick takes minutes and its numbers are not the paper's; --scale paper is the
    protocol itself and takes hours. Every number can be changed by a flag. The folder of --out
    gets report.html, report.md, figures and NAME.nc. The images must be in FLOWFA_DATA: flowfa
    data fetch mnist, cifar100 or tiny-imagenet.
    """

    @condition
    def name_an_experiment_that_is_there(self) -> None:
        """Refuse an experiment that is unknown or not named."""
        if not self.name:
            raise InputError(f"name an experiment: {', '.join(EXPERIMENTS)}")
        if self.name not in EXPERIMENTS:
            raise unknown_name("experiment", self.name, EXPERIMENTS)

    @condition
    def change_its_own_numbers(self) -> None:
        """Refuse the number of another experiment."""
        numbers = {entry.name for entry in dataclasses.fields(_numbers_of(self.name))}
        for name, _, _ in _FLAGS:
            if name not in numbers and getattr(self, name, None) is not None:
                networks = self.name in NETWORK_EXPERIMENTS
                owners = "noisy-mnist" if networks else "cifar100 and tiny-imagenet"
                raise InputError(
                    f"`{name}` is no setting of {self.name}: it belongs to {owners}; leave it out"
                )

    @property
    def changes(self) -> dict[str, Any]:
        """What replaces numbers of the scale's protocol, by name."""
        numbers = {entry.name for entry in dataclasses.fields(_numbers_of(self.name))}
        values = {name: getattr(self, name, None) for name, _, _ in _FLAGS if name in numbers}
        changes = {**values, "rules": self.rule, "seed": self.seed}
        return {name: value for name, value in changes.items() if value is not None}

    @property
    def folder(self) -> str:
        """The folder of the report."""
        return self.name if self.out is None else self.out


def _numbers_of(name: str) -> type[ExperimentNumbers]:
    return ImageNetworkNumbers if name in NETWORK_EXPERIMENTS else NoisyMnistNumbers


_FLAGS = optional_fields(ExperimentNumbers, NoisyMnistNumbers, ImageNetworkNumbers)
_ExperimentFlags = make_dataclass(
    "_ExperimentFlags", _FLAGS, bases=(ExperimentNameSettings,), frozen=True
)
ExperimentFlags: type[ExperimentSettings] = make_dataclass(
    "ExperimentFlags",
    [],
    bases=(ExperimentSettings, _ExperimentFlags),
    namespace={"__doc__": ExperimentSettings.__doc__},
    frozen=True,
)
"""`ExperimentSettings` with a flag for every number of the experiments."""

"""The numbers of E-2 and E-3, as the paper has them and as a laptop can do them in minutes."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

from flowfa.errors import InputError
from flowfa.experiments.models.resnet import STEMS
from flowfa.registry import unknown_name
from flowfa.training import Schedule

RULES = ("fa", "adafa", "signfa", "gd")
DATASETS = ("cifar100", "tiny-imagenet")
MODELS = ("lenet", "resnet18")
MODEL_TITLES = {"lenet": "LeNet", "resnet18": "ResNet-18"}
DATASET_TITLES = {"cifar100": "CIFAR-100", "tiny-imagenet": "Tiny-ImageNet"}
IDS = {"cifar100": "E-2", "tiny-imagenet": "E-3"}
NOT_STATED = ("scale", "seed", "dtype")


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "never"
    return "all" if value is None else str(value)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


@dataclass(frozen=True)
class Protocol:
    """Everything that decides the numbers of one experiment.

    Attributes
    ----------
    name : {"cifar100", "tiny-imagenet"}
        The experiment: E-2 or E-3.
    scale : {"paper", "quick"}
        Whose defaults these numbers are.
    dataset : {"cifar100", "tiny-imagenet"}
        The images, which need not be those of the experiment.
    model : {"lenet", "resnet18"}
    size : int or None
        Height and width to which images are resized; None for their own.
    classes : tuple of int
        N, increasing: random subsets of so many classes.
    rules : tuple of str
        Of `RULES`.
    repeats : int
        Runs of each N and rule; each has its own classes, images, start, feedback and order.
    images, test_images : int or None
        Training and test images of each class; None for all.
    epochs, batch : int
        A last batch that is not full is trained on too.
    rate, momentum, weight_decay : float
        Of SGD; weight decay applies to every parameter.
    halve_at : tuple of int
        Epochs from which on the rate is halved once more.
    signfa_scale : float or "xavier"
        s of signfa; "xavier" is sqrt(2/(fan_in + fan_out)) of each layer.
    padding : int
        Of LeNet's convolutions.
    stem : {"imagenet", "small"}
        Of ResNet-18.
    track_every : int
        Epochs between two records; the first and the last epoch are always recorded.
    dtype : {"float64", "float32"}
    seed : int

    Raises
    ------
    InputError
        If a number is out of range or a name is unknown.
    """

    name: str = "cifar100"
    scale: str = "paper"
    dataset: str = "cifar100"
    model: str = "lenet"
    size: int | None = None
    classes: tuple[int, ...] = (10, 25, 50)
    rules: tuple[str, ...] = RULES
    repeats: int = 6
    images: int | None = None
    test_images: int | None = None
    epochs: int = 500
    batch: int = 1024
    rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 1e-4
    halve_at: tuple[int, ...] = (100, 250)
    signfa_scale: float | Literal["xavier"] = "xavier"
    padding: int = 0
    stem: str = "imagenet"
    track_every: int = 5
    dtype: Literal["float64", "float32"] = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        for what, value, known in (
            ("data set of this experiment", self.dataset, DATASETS),
            ("model", self.model, MODELS),
            ("stem", self.stem, STEMS),
            ("dtype", self.dtype, ("float64", "float32")),
        ):
            if value not in known:
                raise unknown_name(what, value, known)
        for rule in self.rules:
            if rule not in RULES:
                raise unknown_name(f"rule of {self.name}", rule, RULES)
        if not self.rules or len(set(self.rules)) < len(self.rules):
            raise InputError("--rule: name at least one rule, and each once")
        numbers = list(self.classes)
        if not numbers or numbers != sorted(set(numbers)) or numbers[0] < 2:
            raise InputError(
                f"--classes are {' '.join(map(str, numbers)) or 'none'}: expected increasing "
                "whole numbers of at least 2"
            )
        for key in ("repeats", "epochs", "batch", "track_every", "images", "test_images", "size"):
            value = getattr(self, key)
            if value is not None and value < 1:
                raise InputError(f"{_flag(key)} is {value}: expected at least 1")
        if not 0.0 < self.rate < math.inf:
            raise InputError(f"--rate is {self.rate}: expected a positive number")
        if not 0.0 <= self.momentum < 1.0:
            raise InputError(f"--momentum is {self.momentum}: expected from 0 to below 1")
        if not 0.0 <= self.weight_decay < math.inf:
            raise InputError(f"--weight-decay is {self.weight_decay}: expected at least 0")
        s = self.signfa_scale
        if s != "xavier" and (isinstance(s, str) or not 0.0 < s < math.inf):
            raise InputError(f"--signfa-scale is {s}: expected a positive number")
        if self.padding < 0 or self.seed < 0:
            raise InputError(
                f"--padding is {self.padding}, --seed {self.seed}: expected at least 0"
            )
        # Constructed to be checked; halving epochs are a schedule's.
        _ = self.schedule

    @property
    def schedule(self) -> Schedule:
        """The schedule of the rate, in epochs."""
        return Schedule(2.0, at=self.halve_at)

    @property
    def tracked(self) -> list[int]:
        """The recorded epochs: 0, track_every, ..., and the last."""
        return sorted({*range(0, self.epochs, self.track_every), self.epochs})

    @property
    def result(self) -> str:
        """Name of the result file."""
        return f"{self.name}.nc"

    @property
    def departures(self) -> list[str]:
        """What differs from the paper's protocol, in words."""
        papers, found = PAPER[self.name], []
        for field in dataclasses.fields(self):
            own, theirs = getattr(self, field.name), getattr(papers, field.name)
            if field.name not in NOT_STATED and own != theirs:
                found.append(
                    f"{field.name} {_shown(own)} ({IDS[self.name]}: {_shown(theirs)})"
                    if field.name != "size"
                    else f"images resized to {own} x {own}"
                )
        return found

    @property
    def title(self) -> str:
        """The name that every output bears: experiment, model, data, scale."""
        size = "" if self.size is None else f" at {self.size} x {self.size}"
        what = (
            f"{IDS[self.name]}, {MODEL_TITLES[self.model]} on {DATASET_TITLES[self.dataset]}{size}"
        )
        if not self.departures:
            return f"{what}, scale paper"
        same = dataclasses.replace(SCALES[self.scale][self.name], seed=self.seed, dtype=self.dtype)
        changed = "" if self == same else ", changed"
        return f"{what}, scale {self.scale}{changed}: not the paper's numbers"

    def to_json_dict(self) -> dict[str, Any]:
        """Return the numbers by name, ready for JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }


PAPER = {
    "cifar100": Protocol(),
    "tiny-imagenet": Protocol(
        name="tiny-imagenet",
        dataset="tiny-imagenet",
        model="resnet18",
        repeats=4,
        epochs=50,
        batch=512,
        halve_at=(20, 40),
        track_every=1,
    ),
}
"""E-2 and E-3; the paper does not state padding, stem and the scale of signfa for these nets."""

QUICK = {
    "cifar100": dataclasses.replace(
        PAPER["cifar100"],
        scale="quick",
        classes=(10, 25),
        repeats=2,
        images=100,
        test_images=50,
        epochs=20,
        batch=32,
        halve_at=(10, 15),
        track_every=2,
    ),
    "tiny-imagenet": dataclasses.replace(
        PAPER["tiny-imagenet"],
        scale="quick",
        size=32,
        classes=(10,),
        repeats=2,
        images=50,
        test_images=20,
        epochs=6,
        batch=32,
        halve_at=(4,),
    ),
}
"""The same code in minutes on one core: fewer classes, images and epochs, and smaller batches."""

SCALES = {"quick": QUICK, "paper": PAPER}


def protocol_of(name: str, scale: str, **changes: Any) -> Protocol:
    """Return the protocol of an experiment at a scale with some numbers changed.

    Parameters
    ----------
    name : {"cifar100", "tiny-imagenet"}
    scale : {"quick", "paper"}
    **changes
        Numbers by their names; None changes nothing.

    Raises
    ------
    InputError
        If there is no such experiment or scale, or a number is out of range.
    """
    if name not in PAPER:
        raise unknown_name("experiment", name, PAPER)
    if scale not in SCALES:
        raise unknown_name("scale", scale, SCALES)
    given = {key: value for key, value in changes.items() if value is not None}
    return dataclasses.replace(SCALES[scale][name], **given)

"""The numbers of E-1, as the paper has them and as a laptop can do them in minutes."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

from flowfa.datasets.images import NOISE_KINDS
from flowfa.errors import InputError
from flowfa.registry import unknown_name
from flowfa.training import Schedule

RULES = ("fa", "adafa", "signfa", "gd")
CLASSES = 10
_NOT_OF_THE_PAPER = ("scale", "seed", "dtype", "flow_up_to", "flow_rtol")


def _at_least_one(name: str, value: int) -> None:
    if value < 1:
        raise InputError(f"{_flag(name)} is {value}: expected at least 1")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return "all" if value is None else str(value)


@dataclass(frozen=True)
class Protocol:
    """Everything that decides the numbers of one experiment.

    Attributes
    ----------
    scale : {"paper", "quick"}
        Whose defaults these numbers are.
    widths : tuple of int
        Of the hidden layer, increasing.
    rules : tuple of str
        Of `RULES`.
    runs : int
        Runs of each width; each has its own images, label noise, start and feedback.
    images : int
        Training images of a run, a random subset.
    test_images : int or None
        Clean test images, shared by all runs; None for all.
    label_noise, noise_kind
        Share of the training labels that are replaced, and how
        (`flowfa.datasets.images.with_label_noise`).
    epochs : int
        Full-batch steps.
    rate, momentum : float
    divide_every : int
        The rate is divided by 10 at every multiple of this number of epochs.
    leak : float
        Slope of the activation for z <= 0.
    init_scale : float
        Weights and feedback are N(0, init_scale^2 / width).
    signfa_scale : float
        s of signfa.
    track_every : int
        Epochs between two records; the first and the last epoch are always recorded.
    dtype : {"float64", "float32"}
        Of the steps; flows are integrated in float64.
    flow_up_to : int
        Widths up to this one are also integrated as flows; 0 for none.
    flow_rtol : float
        Relative tolerance of the flows.
    seed : int

    Raises
    ------
    InputError
        If a number is out of range or a name is unknown.
    """

    scale: str = "paper"
    widths: tuple[int, ...] = (15, 30, 45, 60, 75, 100, 125, 150, 175, 200)
    rules: tuple[str, ...] = RULES
    runs: int = 6
    images: int = 4000
    test_images: int | None = None
    label_noise: float = 0.2
    noise_kind: str = "uniform-other"
    epochs: int = 6000
    rate: float = 0.05
    momentum: float = 0.05
    divide_every: int = 1000
    leak: float = 0.01
    init_scale: float = 1.0
    signfa_scale: float = 1.0
    track_every: int = 5
    dtype: Literal["float64", "float32"] = "float32"
    flow_up_to: int = 15
    flow_rtol: float = 1e-5
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.widths or list(self.widths) != sorted(set(self.widths)) or self.widths[0] < 1:
            raise InputError(
                f"--widths are {' '.join(map(str, self.widths)) or 'none'}: expected increasing "
                "whole numbers of at least 1"
            )
        for rule in self.rules:
            if rule not in RULES:
                raise unknown_name("rule of noisy-mnist", rule, RULES)
        if not self.rules or len(set(self.rules)) < len(self.rules):
            raise InputError("--rule: name at least one rule, and each once")
        for name in ("runs", "images", "epochs", "divide_every", "track_every"):
            _at_least_one(name, getattr(self, name))
        if self.test_images is not None:
            _at_least_one("test_images", self.test_images)
        for name in ("rate", "init_scale", "signfa_scale"):
            value = getattr(self, name)
            if not 0.0 < value < math.inf:
                raise InputError(f"{_flag(name)} is {value}: expected a positive number")
        for name, least, most in (("momentum", 0.0, 1.0), ("label_noise", 0.0, 1.0)):
            value = getattr(self, name)
            if not least <= value < most:
                raise InputError(f"{_flag(name)} is {value}: expected from {least:g} to below 1")
        if not 0.0 <= self.leak <= 1.0:
            raise InputError(f"--leak is {self.leak}: expected a slope from 0 to 1")
        if self.noise_kind not in NOISE_KINDS:
            raise unknown_name("kind of label noise", self.noise_kind, NOISE_KINDS)
        if self.dtype not in ("float64", "float32"):
            raise unknown_name("dtype", self.dtype, ("float64", "float32"))
        if self.flow_up_to < 0:
            raise InputError(f"--flow-up-to is {self.flow_up_to}: expected a width, or 0 for none")
        if not 1e-12 <= self.flow_rtol < 1.0:
            raise InputError(f"--flow-rtol is {self.flow_rtol}: expected from 1e-12 to below 1")
        if self.seed < 0:
            raise InputError(f"--seed is {self.seed}: expected at least 0")

    @property
    def schedule(self) -> Schedule:
        """The schedule of the rate."""
        return Schedule(10.0, every=self.divide_every)

    @property
    def flow_widths(self) -> tuple[int, ...]:
        """The widths that are integrated as flows too."""
        return tuple(width for width in self.widths if width <= self.flow_up_to)

    @property
    def tracked(self) -> list[int]:
        """The recorded epochs: 0, track_every, ..., and the last."""
        return sorted({*range(0, self.epochs, self.track_every), self.epochs})

    @property
    def departures(self) -> list[str]:
        """What differs from E-1 of the paper, in words.

        The paper has no number for the seed, and no flows.
        """
        found = []
        for field in dataclasses.fields(self):
            own, papers = getattr(self, field.name), getattr(PAPER, field.name)
            if field.name not in _NOT_OF_THE_PAPER and own != papers:
                found.append(f"{field.name} {_shown(own)} (E-1: {_shown(papers)})")
        return found

    @property
    def title(self) -> str:
        """The name that every output bears."""
        if not self.departures:
            return "E-1, noisy MNIST, scale paper"
        own = {name: getattr(self, name) for name in _NOT_OF_THE_PAPER}
        if self == dataclasses.replace(SCALES[self.scale], **own):
            return f"E-1, noisy MNIST, scale {self.scale}: not the paper's numbers"
        return f"E-1, noisy MNIST, scale {self.scale}, changed: not the paper's numbers"

    def to_json_dict(self) -> dict[str, Any]:
        """Return the numbers by name, ready for JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }


PAPER = Protocol()
"""E-1; the paper does not state scale of the weights, leak and form of the noise."""

QUICK = Protocol(
    scale="quick",
    widths=(15, 60, 200),
    runs=2,
    images=1000,
    test_images=2000,
    epochs=600,
    divide_every=100,
    dtype="float64",
    flow_up_to=60,
)
"""The same code in minutes: a tenth of the epochs, of their schedule too, on fewer images."""

SCALES = {"quick": QUICK, "paper": PAPER}


def protocol_of(scale: str, **changes: Any) -> Protocol:
    """Return the protocol of a scale with some numbers changed; None changes nothing.

    Raises
    ------
    InputError
        If there is no such scale, or a number is out of range.
    """
    if scale not in SCALES:
        raise unknown_name("scale", scale, SCALES)
    given = {name: value for name, value in changes.items() if value is not None}
    return dataclasses.replace(SCALES[scale], **given)

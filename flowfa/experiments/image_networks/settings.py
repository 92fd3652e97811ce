"""The numbers of E-2 and E-3, as the paper has them and as a laptop can do them in minutes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from flowfa.registry import unknown_name
from flowfa.settings import validated
from flowfa.settings.experiment import ImageNetworkNumbers
from flowfa.settings.validation import condition
from flowfa.training import Schedule

MODEL_TITLES = {"lenet": "LeNet", "resnet18": "ResNet-18"}
DATASET_TITLES = {"cifar100": "CIFAR-100", "tiny-imagenet": "Tiny-ImageNet"}
IDS = {"cifar100": "E-2", "tiny-imagenet": "E-3"}
NOT_STATED = ("scale", "seed", "dtype")


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "never"
    return "all" if value is None else str(value)


@dataclass(frozen=True)
class ImageNetworkSettings(ImageNetworkNumbers):
    """Everything that decides the numbers of one experiment, and what follows from it.

    The numbers, their defaults (the paper's for E-2) and their limits are those of
    `flowfa.settings.experiment.ImageNetworkNumbers`. A last batch that is not full is trained on
    too; weight decay applies to every parameter.
    """

    @condition
    def halve_in_order(self) -> None:
        """Refuse epochs that no schedule can have."""
        # A schedule checks its epochs when it is constructed.
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
        papers, changes = PAPER[self.name], []
        for field in dataclasses.fields(self):
            chosen, theirs = getattr(self, field.name), getattr(papers, field.name)
            if field.name not in NOT_STATED and chosen != theirs:
                changes.append(
                    f"{field.name} {_shown(chosen)} ({IDS[self.name]}: {_shown(theirs)})"
                    if field.name != "size"
                    else f"images resized to {chosen} x {chosen}"
                )
        return changes

    @property
    def title(self) -> str:
        """The name that every output bears: experiment, model, data, scale."""
        size = "" if self.size is None else f" at {self.size} x {self.size}"
        experiment = (
            f"{IDS[self.name]}, {MODEL_TITLES[self.model]} on {DATASET_TITLES[self.dataset]}{size}"
        )
        if not self.departures:
            return f"{experiment}, scale paper"
        unchanged = dataclasses.replace(
            SCALES[self.scale][self.name], seed=self.seed, dtype=self.dtype
        )
        changed = "" if self == unchanged else ", changed"
        return f"{experiment}, scale {self.scale}{changed}: not the paper's numbers"


PAPER = {
    "cifar100": ImageNetworkSettings(),
    "tiny-imagenet": ImageNetworkSettings(
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


def settings_of(name: str, scale: str, **changes: Any) -> ImageNetworkSettings:
    """Return the settings of an experiment at a scale with some numbers changed.

    Parameters
    ----------
    name : {"cifar100", "tiny-imagenet"}
    scale : {"quick", "paper"}
    **changes
        Numbers by their names.

    Raises
    ------
    InputError
        If there is no such experiment or scale, or a number is out of range.
    """
    if name not in PAPER:
        raise unknown_name("experiment", name, PAPER)
    if scale not in SCALES:
        raise unknown_name("scale", scale, SCALES)
    return validated(dataclasses.replace(SCALES[scale][name], **changes))

"""The numbers of E-1, as the paper has them and as a laptop can do them in minutes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from flowfa.registry import unknown_name
from flowfa.settings import validated
from flowfa.settings.experiment import NoisyMnistNumbers
from flowfa.training import Schedule

CLASSES = 10
_NOT_OF_THE_PAPER = ("scale", "seed", "dtype", "flow_up_to", "flow_rtol")


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return "all" if value is None else str(value)


@dataclass(frozen=True)
class NoisyMnistSettings(NoisyMnistNumbers):
    """Everything that decides the numbers of one experiment, and what follows from it.

    The numbers, their defaults (the paper's) and their limits are those of
    `flowfa.settings.experiment.NoisyMnistNumbers`.
    """

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
        changes = []
        for field in dataclasses.fields(self):
            chosen, papers = getattr(self, field.name), getattr(PAPER, field.name)
            if field.name not in _NOT_OF_THE_PAPER and chosen != papers:
                changes.append(f"{field.name} {_shown(chosen)} (E-1: {_shown(papers)})")
        return changes

    @property
    def title(self) -> str:
        """The name that every output bears."""
        if not self.departures:
            return "E-1, noisy MNIST, scale paper"
        free = {name: getattr(self, name) for name in _NOT_OF_THE_PAPER}
        if self == dataclasses.replace(SCALES[self.scale], **free):
            return f"E-1, noisy MNIST, scale {self.scale}: not the paper's numbers"
        return f"E-1, noisy MNIST, scale {self.scale}, changed: not the paper's numbers"


PAPER = NoisyMnistSettings()
"""E-1; the paper does not state scale of the weights, leak and form of the noise."""

QUICK = NoisyMnistSettings(
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
"""The same code in minutes: a tenth of the epochs and of the schedule's period, fewer images."""

SCALES = {"quick": QUICK, "paper": PAPER}


def settings_of(scale: str, **changes: Any) -> NoisyMnistSettings:
    """Return the settings of a scale with some numbers changed.

    Raises
    ------
    InputError
        If there is no such scale, or a number is out of range.
    """
    if scale not in SCALES:
        raise unknown_name("scale", scale, SCALES)
    return validated(dataclasses.replace(SCALES[scale], **changes))

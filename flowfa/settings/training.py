"""How a problem is trained in discrete steps: the settings of `flowfa.train`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import arg

from flowfa.errors import InputError
from flowfa.settings.limits import (
    at_least,
    from_to_below,
    increasing,
    not_empty,
    not_negative,
    positive,
    unique,
)
from flowfa.settings.naming import optional_flag
from flowfa.settings.recording import DeviceSettings, PrecisionSettings, RecordingSettings
from flowfa.settings.validation import condition

DEFAULT_STEPS = 1000
MOST_STEPS = 1e8
"""The most steps to a given time, since their times are listed; more would train for years."""


@dataclass(frozen=True)
class StepsSettings:
    """Rates, momenta and number of steps."""

    rate: Annotated[
        tuple[float, ...],
        not_empty("number", "give one learning rate or several"),
        positive(),
        unique(),
        arg(metavar="FLOAT [FLOAT ...]"),
    ] = (0.05,)
    """Learning rates; every start is trained at each."""
    steps: Annotated[int | None, at_least(1), optional_flag(metavar="INT")] = None
    """Number of steps, by default 1000."""
    t_end: Annotated[float | None, positive(), optional_flag(metavar="FLOAT")] = None
    """Train to this time instead, the sum of the rates: a whole number of steps at each rate."""
    momentum: Annotated[
        tuple[float, ...],
        not_empty("number", "give one momentum or several, 0 for none"),
        from_to_below(0.0, 1.0),
        unique(),
        arg(metavar="FLOAT [FLOAT ...]"),
    ] = (0.0,)
    """Heavy-ball momenta, from 0 to below 1; each is combined with every rate."""
    batch_size: Annotated[int | None, at_least(1), optional_flag(metavar="INT")] = None
    """Samples of a minibatch; by default all."""
    schedule: Annotated[str, arg(metavar="SCHEDULE")] = "constant"
    """constant; 2@100,250: halved at these steps; 10@every:1000: divided by 10 every 1000 steps."""
    keep_every_step: bool = False
    """Record every step, with all weights."""
    save_at: Annotated[
        tuple[float, ...] | None,
        not_empty("step", "give the steps to record, or leave it out"),
        not_negative(),
        increasing(),
        optional_flag(metavar="FLOAT [FLOAT ...]"),
    ] = None
    """Recorded steps, or with --t-end times, instead of evenly spaced ones; both ends are too."""

    @condition
    def train_one_length(self) -> None:
        """Refuse two lengths, or a common column for every step where there is none."""
        if self.t_end is None:
            return
        if self.steps is not None:
            raise InputError(
                f"`steps` is {self.steps} and `t_end` is {self.t_end:g}: give one of them, since "
                "each follows from the other and the rate"
            )
        if self.keep_every_step and len(self.rate) > 1:
            raise InputError(
                f"`t_end` is {self.t_end:g} with several rates: they have different numbers of "
                "steps, and so no common column for `keep_every_step=True`; give `steps` instead, "
                "or one rate"
            )

    @property
    def step_count(self) -> int | None:
        """Number of steps of every trajectory; None if they train to `t_end`."""
        if self.t_end is not None:
            return None
        return DEFAULT_STEPS if self.steps is None else self.steps

    @property
    def variants(self) -> tuple[tuple[float, float], ...]:
        """Every pair of a rate and a momentum, in the order of a start's trajectories."""
        return tuple((rate, momentum) for rate in self.rate for momentum in self.momentum)


@dataclass(frozen=True)
class TrainingSettings(PrecisionSettings, DeviceSettings, RecordingSettings, StepsSettings):
    """How a problem is trained in discrete steps, and what is kept of it."""

    @condition
    def list_what_there_is(self) -> None:
        """Refuse a list of steps beside a rule that makes one, or steps past the end."""
        if self.save_at is None:
            return
        for name, free in (
            ("save", (RecordingSettings.save, self.saves)),
            ("spacing", (RecordingSettings.spacing,)),
            ("keep_every_step", (False,)),
        ):
            if getattr(self, name) not in free:
                raise InputError(
                    f"`{name}` does not go with `save_at`, which lists all that is recorded: leave "
                    "one out"
                )
        steps = self.step_count
        last = self.save_at[-1]
        if steps is None and self.t_end is not None and last > self.t_end:
            raise InputError(
                f"`save_at` has {last:g}, but training ends at `t_end` {self.t_end:g}: leave that "
                "time out, or train longer"
            )
        if steps is not None and (last > steps or any(entry % 1 for entry in self.save_at)):
            wrong = next(entry for entry in self.save_at if entry > steps or entry % 1)
            raise InputError(
                f"`save_at` has {wrong:g}: expected whole numbers of steps up to {steps}; give "
                "`t_end` for times"
            )

    @property
    def saves(self) -> int:
        """Number of recorded steps (the most)."""
        if self.save_at is None:
            return self.save
        end = self.t_end if self.step_count is None else float(self.step_count)
        return len({0.0, *self.save_at, end})

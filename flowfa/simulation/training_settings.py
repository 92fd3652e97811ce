"""How a problem is trained in discrete steps, and what is kept of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from flowfa.errors import InputError
from flowfa.registry import unknown_name
from flowfa.simulation.settings import DEFAULT_SNAPSHOTS, DTYPES
from flowfa.training import Schedule

DEFAULT_STEPS = 1000


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Rates, steps and records of discrete training.

    Parameters
    ----------
    rate : float or sequence of float
        eta, positive; several are trained side by side.
    steps : int, optional
        Steps of every trajectory; 1000 if `t_end` is not given either.
    t_end : float, optional
        Train to this time instead, the sum of the rates, which each rate must meet after a whole
        number of steps.
    momentum : float or sequence of float
        mu, within [0, 1); several are combined with every rate.
    weight_decay : float
        lambda, of weights and biases.
    batch_size : int, optional
        Samples of a minibatch; the full batch by default.
    schedule : str or Schedule
        As `Schedule.parse` understands: ``constant``, ``2@100,250``, ``10@every:1000``.
    save : int
        Most save times, at least 2; there are never more than steps.
    spacing : {"linear", "log"}
    snapshots : int, optional
        Number of save times at which all weights are kept; by default 5.
    keep_every_step : bool
        Save every step, with all weights.
    observe : tuple of str
        As `flowfa.simulation.Settings`.
    device : str
    dtype : {"float64", "float32"}

    Raises
    ------
    InputError
        If a value is out of range, or two do not go together.
    """

    rate: float | Sequence[float] = 0.05
    steps: int | None = None
    t_end: float | None = None
    momentum: float | Sequence[float] = 0.0
    weight_decay: float = 0.0
    batch_size: int | None = None
    schedule: str | Schedule = "constant"
    save: int = 200
    spacing: str = "linear"
    snapshots: int | None = None
    keep_every_step: bool = False
    observe: tuple[str, ...] = ()
    device: str = "cpu"
    dtype: str = "float64"

    def __post_init__(self) -> None:
        for rate in self.rates:
            if not 0.0 < rate < math.inf:
                raise InputError(f"the rate is {rate:g}: expected a positive number")
        for momentum in self.momenta:
            if not 0.0 <= momentum < 1.0:
                raise InputError(f"the momentum is {momentum:g}: expected 0 <= momentum < 1")
        for name, values in (("rate", self.rates), ("momentum", self.momenta)):
            if not values or len(set(values)) < len(values):
                listed = ", ".join(f"{value:g}" for value in values) or "empty"
                raise InputError(f"the {name} is {listed}: expected each value once, at least one")
        if not 0.0 <= self.weight_decay < math.inf:
            raise InputError(f"the weight decay is {self.weight_decay}: expected at least 0")
        self._check_length()
        if self.save < 2:
            raise InputError(f"save is {self.save}: expected at least 2, the start and the end")
        if self.snapshots is not None and not 2 <= self.snapshots <= self.save:
            raise InputError(
                f"snapshots is {self.snapshots}: expected from 2 to the number of save times, "
                f"{self.save}"
            )
        if self.spacing not in ("linear", "log"):
            raise unknown_name("spacing", self.spacing, ("linear", "log"))
        if self.dtype not in DTYPES:
            raise unknown_name("dtype", self.dtype, DTYPES)
        if isinstance(self.schedule, str):
            object.__setattr__(self, "schedule", Schedule.parse(self.schedule))

    def _check_length(self) -> None:
        """Check steps and t_end, and take the default if neither is given."""
        if self.steps is not None and self.t_end is not None:
            raise InputError(
                f"steps is {self.steps} and t_end is {self.t_end:g}: give one of them, since each "
                "follows from the other and the rate"
            )
        if self.t_end is not None:
            if not 0.0 < self.t_end < math.inf:
                raise InputError(f"t_end is {self.t_end}: expected a positive number")
            if self.keep_every_step and len(self.rates) > 1:
                raise InputError(
                    "t_end with several rates has different numbers of steps, and so no common "
                    "column for every step: give steps instead, or one rate"
                )
        elif self.steps is None:
            object.__setattr__(self, "steps", DEFAULT_STEPS)
        elif self.steps < 1:
            raise InputError(f"steps is {self.steps}: expected at least 1")

    @property
    def rates(self) -> tuple[float, ...]:
        """The learning rates."""
        return _floats(self.rate)

    @property
    def momenta(self) -> tuple[float, ...]:
        """The momenta."""
        return _floats(self.momentum)

    @property
    def variants(self) -> tuple[tuple[float, float], ...]:
        """Every pair of a rate and a momentum, in the order of a start's trajectories."""
        return tuple((rate, momentum) for rate in self.rates for momentum in self.momenta)

    def snapshots_of(self, saves: int) -> int:
        """Return the number of snapshots among so many save times."""
        if self.keep_every_step:
            return saves
        return min(DEFAULT_SNAPSHOTS if self.snapshots is None else self.snapshots, saves)


def _floats(value: float | Sequence[float]) -> tuple[float, ...]:
    return (float(value),) if isinstance(value, int | float) else tuple(map(float, value))

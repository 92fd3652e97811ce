"""How a flow is integrated: the settings of `flowfa.simulate`."""

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
    one_of,
    positive,
)
from flowfa.settings.naming import optional_flag
from flowfa.settings.recording import DeviceSettings, PrecisionSettings, RecordingSettings
from flowfa.settings.validation import condition

FINEST_FLOAT32_RTOL = 1e-6


@dataclass(frozen=True)
class SolverSettings:
    """The end of a flow, and how accurately a solver gets there."""

    t_end: Annotated[float, positive()] = 100.0
    """Time at which the flow ends."""
    solver: Annotated[str, arg(metavar="NAME")] = "auto"
    """Solver: auto, hybrid, event, bosh3, dopri5, tsit5, dop853, gauss2, gauss4, gauss6, euler,
    heun, rk4 or torchdiffeq:NAME."""
    rtol: Annotated[float, positive()] = 1e-4
    """Relative tolerance of adaptive solvers."""
    atol: Annotated[float | None, positive(), optional_flag(metavar="FLOAT")] = None
    """Absolute tolerance of adaptive solvers; by default rtol / 100."""
    step: Annotated[float | None, positive(), optional_flag(metavar="FLOAT")] = None
    """Step of fixed-step solvers."""
    controller: Annotated[str, one_of("pi", "i"), arg(metavar="pi|i")] = "pi"
    """Step size control of adaptive solvers."""
    max_steps: Annotated[int, at_least(1)] = 100_000
    """Steps after which a trajectory is given up."""


@dataclass(frozen=True)
class StopSettings:
    """Where a trajectory stops before the end."""

    until_loss: Annotated[float | None, positive(), optional_flag(metavar="FLOAT")] = None
    """Stop a trajectory where its mean loss has fallen to this."""
    until_gradient: Annotated[float | None, positive(), optional_flag(metavar="FLOAT")] = None
    """Stop a trajectory where the norm of the gradient has fallen to this."""
    until_alignment: Annotated[
        float | None, from_to_below(-1.0, 1.0), optional_flag(metavar="FLOAT")
    ] = None
    """Stop a trajectory where cos(W_l, B_l^T) has risen to this, in each layer that has one."""


@dataclass(frozen=True)
class FlowTimesSettings(SolverSettings, RecordingSettings):
    """The recorded times of a flow, which unlike those of training may be any."""

    first_save: Annotated[float | None, positive(), optional_flag(metavar="FLOAT")] = None
    """First recorded time after 0 of log spacing; by default t_end / 10^4."""
    save_at: Annotated[
        tuple[float, ...] | None,
        not_empty("time", "give the times to record, or leave it out"),
        not_negative(),
        increasing(),
        optional_flag(metavar="FLOAT [FLOAT ...]"),
    ] = None
    """Recorded times, instead of so many evenly spaced ones; 0 and the end are recorded too."""

    @condition
    def space_the_times_in_one_way(self) -> None:
        """Refuse a list of times beside a rule that makes one, and a first time without a rule."""
        if self.save_at is not None:
            for name, free in (
                ("save", (RecordingSettings.save, self.saves)),
                ("spacing", (RecordingSettings.spacing,)),
                ("first_save", (None,)),
            ):
                if getattr(self, name) not in free:
                    raise InputError(
                        f"`{name}` does not go with `save_at`, which lists all times: leave one out"
                    )
        elif self.first_save is not None and self.spacing != "log":
            raise InputError(
                f"`first_save` is {self.first_save:g}, but the times are evenly spaced: give "
                '`spacing="log"` too'
            )
        elif self.first_save is not None and self.save < 3:
            raise InputError(
                f"`first_save` is {self.first_save:g}, but `save` is {self.save}: give a `save` of "
                "at least 3, for 0, the first time and the end"
            )

    @condition
    def record_before_the_end(self) -> None:
        """Refuse recorded times beyond the end."""
        if self.first_save is not None and self.first_save >= self.t_end:
            raise InputError(
                f"`first_save` is {self.first_save:g} and `t_end` is {self.t_end:g}: expected an "
                "earlier first time"
            )
        if self.save_at is not None and self.save_at[-1] > self.t_end:
            raise InputError(
                f"`save_at` has {self.save_at[-1]:g}, but the flow ends at `t_end` {self.t_end:g}: "
                "leave that time out, or let the flow go on"
            )

    @property
    def saves(self) -> int:
        """Number of recorded times."""
        return self.save if self.save_at is None else len({0.0, *self.save_at, self.t_end})


@dataclass(frozen=True)
class FlowSettings(PrecisionSettings, DeviceSettings, FlowTimesSettings, StopSettings):
    """How a flow is integrated, and what is kept of it."""

    extendable: Annotated[bool, arg(help_behavior_hint="")] = True
    """Leave out what flowfa extend needs, which may take as much room as some snapshots."""

    @condition
    def resolve_the_tolerance(self) -> None:
        """Refuse a tolerance that the floating point type does not resolve."""
        if self.dtype == "float32" and self.rtol < FINEST_FLOAT32_RTOL:
            raise InputError(
                f'`rtol` {self.rtol:g} is finer than float32 resolves: use `dtype="float64"`, or '
                f"an `rtol` of at least {FINEST_FLOAT32_RTOL:g}"
            )


def absolute_tolerance(rtol: float, atol: float | None = None) -> float:
    """Return the absolute tolerance: `atol`, or where it is not given, a hundredth of `rtol`."""
    return rtol / 100.0 if atol is None else atol

"""How a flow is integrated: the settings of `flowfa.simulate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import arg

from flowfa.errors import InputError
from flowfa.settings.limits import at_least, one_of, positive
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
class FlowSettings(PrecisionSettings, DeviceSettings, RecordingSettings, SolverSettings):
    """How a flow is integrated, and what is kept of it."""

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

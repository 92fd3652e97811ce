"""How a problem is integrated and what is kept of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from flowfa.errors import InputError
from flowfa.registry import unknown_name

DTYPES = {"float64": torch.float64, "float32": torch.float32}
FINEST_FLOAT32_RTOL = 1e-6
LOG_SPACING_DECADES = 4.0
DEFAULT_SNAPSHOTS = 5


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Accuracy, times and device of a run.

    Parameters
    ----------
    t_end : float
        End of the time axis, positive.
    solver : str
        ``auto`` or a name that `flowfa.solvers.registry.make_solver` knows.
    rtol, atol : float
        Tolerances of adaptive solvers; atol is rtol / 100 if not given.
    step : float, optional
        Step of fixed-step solvers.
    controller : {"pi", "i"}
    max_steps : int
        Most trial steps of a trajectory.
    save : int
        Number of save times, 0 and t_end included, at least 2.
    spacing : {"linear", "log"}
        Logarithmic times cover the last four decades before t_end, and 0.
    snapshots : int, optional
        Number of save times at which all weights are kept, from 2 to `save`; by default 5, or
        all if there are fewer.
    observe : tuple of str
        Names of observables that are recorded beside what every run records.
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``.
    dtype : {"float64", "float32"}

    Raises
    ------
    InputError
        If a value is out of range.
    """

    t_end: float = 100.0
    solver: str = "auto"
    rtol: float = 1e-4
    atol: float | None = None
    step: float | None = None
    controller: str = "pi"
    max_steps: int = 100_000
    save: int = 200
    spacing: str = "linear"
    snapshots: int | None = None
    observe: tuple[str, ...] = ()
    device: str = "cpu"
    dtype: str = "float64"

    def __post_init__(self) -> None:
        if not 0.0 < self.t_end < math.inf:
            raise InputError(f"t-end is {self.t_end}: expected a positive number")
        if self.save < 2:
            raise InputError(f"save is {self.save}: expected at least 2, the start and the end")
        if self.snapshots is None:
            object.__setattr__(self, "snapshots", min(DEFAULT_SNAPSHOTS, self.save))
        assert self.snapshots is not None
        if not 2 <= self.snapshots <= self.save:
            raise InputError(
                f"snapshots is {self.snapshots}: expected from 2 to the number of save times, "
                f"{self.save}"
            )
        if self.spacing not in ("linear", "log"):
            raise unknown_name("spacing", self.spacing, ("linear", "log"))
        if self.dtype not in DTYPES:
            raise unknown_name("dtype", self.dtype, DTYPES)
        if self.dtype == "float32" and self.rtol < FINEST_FLOAT32_RTOL:
            raise InputError(
                f"rtol {self.rtol:g} is finer than float32 resolves: use --dtype float64, or an "
                f"rtol of at least {FINEST_FLOAT32_RTOL:g}"
            )

    @property
    def save_times(self) -> np.ndarray:
        """The save times, (save,), from 0 to t_end exactly."""
        if self.spacing == "linear":
            return np.linspace(0.0, self.t_end, self.save)
        if self.save == 2:
            return np.array([0.0, self.t_end])
        times = self.t_end * np.logspace(-LOG_SPACING_DECADES, 0.0, self.save - 1)
        times[-1] = self.t_end
        return np.concatenate([[0.0], times])

    @property
    def snapshot_columns(self) -> tuple[int, ...]:
        """Indices of the save times with snapshots: first, last, and evenly between."""
        assert self.snapshots is not None
        return spread_columns(self.save, self.snapshots)

    def torch_device(self) -> torch.device:
        """Return the device.

        Raises
        ------
        InputError
            If it is unknown or not there.
        """
        return find_device(self.device)


def spread_columns(saves: int, snapshots: int) -> tuple[int, ...]:
    """Return the indices of `snapshots` among `saves` times: first, last, and evenly between."""
    return tuple(np.linspace(0, saves - 1, snapshots).round().astype(int).tolist())


def find_device(name: str) -> torch.device:
    """Return the device called `name`.

    Raises
    ------
    InputError
        If it is unknown or not there.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"unknown device {name!r}: expected cpu, cuda or cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"the device {name!r} has no float64: expected cpu, cuda or cuda:N")
    found = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= found:
        raise InputError(
            f"the device {name!r} is not there (CUDA devices found: {found}): use --device cpu"
        )
    return device

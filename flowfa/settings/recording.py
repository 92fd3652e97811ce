"""What is kept of a run, and with which numbers on which device it is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import arg

from flowfa.errors import InputError
from flowfa.settings.limits import at_least, one_of, unique
from flowfa.settings.naming import optional_flag
from flowfa.settings.validation import condition


@dataclass(frozen=True)
class RecordingSettings:
    """The recorded times."""

    save: Annotated[int, at_least(2)] = 200
    """Number of recorded times (of training: the most), both ends included."""
    spacing: Annotated[str, one_of("linear", "log"), arg(metavar="linear|log")] = "linear"
    """Spacing of the recorded times; log: from t_end / 10^4 to t_end, and 0."""
    snapshots: Annotated[int | None, at_least(2), optional_flag(metavar="INT")] = None
    """Number of recorded times at which all weights are kept, both ends included; by default 5."""
    observe: Annotated[tuple[str, ...], unique(), arg(metavar="NAME [NAME ...]")] = ()
    """Observables to record beside the usual ones, such as normalised-margin."""

    @condition
    def keep_weights_at_recorded_times(self) -> None:
        """Refuse more snapshots than there are recorded times."""
        if self.snapshots is not None and self.snapshots > self.saves:
            listed = self.saves != self.save
            count = f"there are {self.saves} recorded times" if listed else f"`save` is {self.save}"
            raise InputError(
                f"`snapshots` is {self.snapshots} but {count}: weights are kept at recorded times, "
                "so ask for no more snapshots than those"
            )

    @property
    def saves(self) -> int:
        """Number of recorded times (of training: the most)."""
        return self.save


@dataclass(frozen=True)
class DeviceSettings:
    """Where to compute."""

    device: str = "cpu"
    """Where to compute: cpu, cuda, cuda:1, ..."""


@dataclass(frozen=True)
class PrecisionSettings:
    """With which numbers to compute."""

    dtype: Annotated[str, one_of("float64", "float32"), arg(metavar="float64|float32")] = "float64"
    """Floating point type."""


@dataclass(frozen=True)
class ThreadsSettings:
    """With how many threads to compute."""

    threads: Annotated[int | None, at_least(1), optional_flag(metavar="INT")] = None
    """Number of CPU threads; by default what is measured to be faster on this machine."""

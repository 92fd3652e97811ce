"""Where and why a rung of the ladder ended before the run that it repeats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from theory_checks.evidence.trajectory import Path


@dataclass(frozen=True)
class EarlyEnd:
    """The end of a trajectory on a rung before the last time that is looked at.

    Beyond it there is one rung less, and nothing to tell the error of the others by.

    Attributes
    ----------
    trajectory : int
        Counted from 0.
    rung : str
        Its label: ``"bosh3, rtol 1e-05"``.
    status : str
        ``chattering``, ``max-steps``, ...
    time, until : float
        Of the last good state on the rung, and the last time looked at.
    message : str
        Why it ended, with a remedy, as a sentence without its subject.
    """

    trajectory: int
    rung: str
    status: str
    time: float
    until: float
    message: str

    def __str__(self) -> str:
        """Return rung, time and status in a few words."""
        return f"{self.rung} ended at t = {self.time:.4g} ({self.status})"


def early_ends(
    path: Path, rung: str, trajectories: Tensor, times: Tensor, reached: Tensor
) -> Iterator[EarlyEnd]:
    """Give the trajectories of a path that are not known as far as they are looked at.

    Parameters
    ----------
    path : Path
    rung : str
        Its label.
    trajectories : Tensor
        What each row is, (row,).
    times : Tensor
        The mesh, (time,).
    reached : Tensor
        How far the run itself got, (row,).
    """
    last = (times <= reached[:, None]).sum(1) - 1
    for row, (index, trajectory) in enumerate(
        zip(last.tolist(), trajectories.tolist(), strict=True)
    ):
        if not path.states[row, index].isfinite().all():
            yield EarlyEnd(
                trajectory,
                rung,
                path.status[row],
                float(path.reached[row]),
                float(times[index]),
                path.message[row],
            )

"""What a run tells while it works."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from flowfa.solvers.stepping.integration import Integration
from flowfa.solvers.stepping.status import Status


class Progress(Protocol):
    """Receives the standing of a run often; throttles itself."""

    def update(
        self,
        fraction: float,
        running: int,
        done: int,
        failed: int,
        slowest_time: float,
        steps: int,
    ) -> None:
        """Show that `fraction` of the slowest trajectory's time is done."""
        ...

    def close(self) -> None:
        """Leave the terminal clean."""
        ...


def tell(run: Integration, progress: Progress, ends: np.ndarray | None = None) -> None:
    """Tell `progress` how `run` stands.

    Parameters
    ----------
    run : Integration
    progress : Progress
    ends : numpy.ndarray, optional
        The end time of each trajectory, where they differ, (trajectory,).
    """
    running = len(run.working)
    done = run.status.count(Status.OK)
    fraction, slowest = 1.0, run.end
    if running:
        times = run.memory["time"].cpu().numpy()
        slowest = float(times.min())
        end = run.end if ends is None else ends[run.working.cpu().numpy()]
        fraction = float((times / end).min())
    progress.update(
        fraction,
        running,
        done,
        len(run.status) - running - done,
        slowest,
        int(run.counters["steps"].clip(min=0).sum()),
    )

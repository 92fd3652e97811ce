"""What a run tells while it works."""

from __future__ import annotations

from typing import Protocol

from flowfa.flow.integration import Integration
from flowfa.flow.status import Status


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


def tell(run: Integration, progress: Progress) -> None:
    """Tell `progress` how `run` stands."""
    running = len(run.working)
    done = run.status.count(Status.OK)
    slowest = float(run.memory["time"].min()) if running else run.end
    progress.update(
        slowest / run.end,
        running,
        done,
        len(run.status) - running - done,
        slowest,
        int(run.counters["steps"].clip(min=0).sum()),
    )

"""How a study stands, and the interface of what displays it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from flowfa.solvers.stepping.integration import Integration


@dataclass(frozen=True)
class TrajectoryCounts:
    """How the trajectories of an integration stand.

    Attributes
    ----------
    running, done, failed : int
        Numbers of trajectories.
    slowest_time : float
        The time that the slowest trajectory has reached.
    steps : int
        Trial steps of all trajectories.
    """

    running: int
    done: int
    failed: int
    slowest_time: float
    steps: int


@dataclass(frozen=True)
class ProgressState:
    """How a study, or one unit of it, stands.

    Attributes
    ----------
    share : float
        Of the work that is done: 0 to 1.
    doing : str
        What is being done, in words; empty where the counts say it all.
    trajectories : TrajectoryCounts or None
        Of the integration that is running, if there is one.
    units_done, units : int
        Finished units of work, and all of them.
    """

    share: float
    doing: str = ""
    trajectories: TrajectoryCounts | None = None
    units_done: int = 0
    units: int = 1


class Progress(Protocol):
    """Receives the state of a study often; throttles itself."""

    def update(self, state: ProgressState) -> None:
        """Show how the study stands."""
        ...

    def close(self) -> None:
        """Leave the terminal clean."""
        ...


def state_of(run: Integration, ends: np.ndarray | None = None) -> ProgressState:
    """Return how an integration stands; its share is that of the slowest trajectory's time.

    Parameters
    ----------
    run : Integration
    ends : numpy.ndarray, optional
        The end time of each trajectory, where they differ, (trajectory,).
    """
    running = len(run.working)
    done = sum(status.as_asked for status in run.status)
    share, slowest = 1.0, run.end
    if running:
        times = run.memory["time"].cpu().numpy()
        slowest = float(times.min())
        end = run.end if ends is None else ends[run.working.cpu().numpy()]
        share = float((times / end).min())
    failed = len(run.status) - running - done
    steps = int(run.counters["steps"].clip(min=0).sum())
    return ProgressState(
        share, trajectories=TrajectoryCounts(running, done, failed, slowest, steps)
    )


def summary_of(state: ProgressState) -> str:
    """Return what is being done, how trajectories stand, and how many units are done."""
    parts = [state.doing] if state.doing else []
    if state.trajectories is not None:
        t = state.trajectories
        parts += [f"{t.running} running", f"{t.done} done"]
        parts += [f"{t.failed} failed"] if t.failed else []
        parts += [f"t = {t.slowest_time:.4g}", f"{t.steps} steps"]
    if state.units > 1:
        parts.append(f"{state.units_done} of {state.units} done")
    return ", ".join(parts)

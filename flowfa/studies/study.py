"""One call that works through the units of a study, and can be watched, stopped and resumed."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch

from flowfa.errors import Interrupted
from flowfa.records.checkpoint import Checkpoint, compare_configurations
from flowfa.studies.clock import Clock, Forecast, Interval, duration
from flowfa.studies.interruption import StopRequest
from flowfa.studies.progress import Progress, ProgressState

Kept = tuple[dict[str, np.ndarray], dict[str, Any]]
"""What a checkpoint holds of a unit: arrays, and notes that JSON can hold."""


class Study:
    """The units of a study, worked through in one call; a context manager.

    Within it the first SIGINT or SIGTERM is only noted: a `Session` stops between two steps, after
    it has written a checkpoint. A second signal stops at once; earlier checkpoints stay.

    Parameters
    ----------
    efforts : mapping of str to float
        The units by name, and the work of each in a common measure.
    result : Path
        What the study ends with.
    kept : Path
        The folder that keeps what is done until then.
    progress : Progress, optional
        Closed at the end.
    unit_done : callable, optional
        Called with a line for each unit that is done: its time, and what the others will take.

    Attributes
    ----------
    forecast : Forecast
        Of the work of this call.
    """

    def __init__(
        self,
        efforts: Mapping[str, float],
        *,
        result: Path,
        kept: Path,
        progress: Progress | None = None,
        unit_done: Callable[[str], None] | None = None,
    ) -> None:
        self._result, self._kept_folder = result, kept
        self._progress, self._unit_done = progress, unit_done
        self.forecast = Forecast(efforts)
        self._finished = dict.fromkeys(efforts, False)
        self._stop = StopRequest()

    def __enter__(self) -> Study:
        self._stop.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.__exit__(kind, error, trace)
        if self._progress is not None:
            self._progress.close()
        anything_kept = self._kept_folder.is_dir() and any(self._kept_folder.iterdir())
        if isinstance(error, KeyboardInterrupt) and anything_kept:
            raise self.interrupted("") from None

    def session(
        self,
        unit: str,
        *,
        checkpoint: Checkpoint | None = None,
        configuration: Mapping[str, Any] | None = None,
        every: float = float("inf"),
        resume: bool = False,
    ) -> Session:
        """Return the session in which a unit is worked on.

        Parameters
        ----------
        unit : str
            One of the names in `efforts`.
        checkpoint : Checkpoint, optional
            Where its state is kept; without it, a unit that is stopped begins anew.
        configuration : mapping, optional
            What determines its numbers, JSON-ready; kept with the state.
        every : float
            Seconds between two checkpoints, or steps of the count that `Session.pause` is given.
        resume : bool
            Whether a checkpoint that is there is to be gone on with.
        """
        return Session(self, unit, checkpoint, configuration or {}, every, resume)

    @property
    def stopped(self) -> bool:
        """Whether a signal has asked to stop."""
        return self._stop.received is not None

    @property
    def watched(self) -> bool:
        """Whether the study has a progress display."""
        return self._progress is not None

    def tell(self, unit: str, state: ProgressState) -> None:
        """Note how a unit stands, and show what that means for the study."""
        self.forecast.reach(unit, state.share)
        if self._progress is not None:
            units_done = sum(self._finished.values())
            share = self.forecast.share
            self._progress.update(
                replace(state, share=share, units_done=units_done, units=len(self._finished))
            )

    def finish(self, unit: str, title: str, seconds: float) -> None:
        """Note that a unit is done, as `Session.finish` says."""
        self._finished[unit] = True
        self.tell(unit, ProgressState(1.0, f"{title}: done"))
        if self._unit_done is not None:
            line, seconds_left = f"{title} in {duration(seconds)}", self.forecast.seconds_left
            self._unit_done(
                line if seconds_left is None else f"{line}; about {duration(seconds_left)} left"
            )
        if self.stopped and not all(self._finished.values()):
            raise self.interrupted("")

    def interrupted(self, doing: str) -> Interrupted:
        """Return the error that says what was kept, and how to go on."""
        units_done, count = sum(self._finished.values()), len(self._finished)
        progress = f" at {doing}" if doing else ""
        if count > 1:
            progress += f", {units_done} of {count} units done"
        return Interrupted(
            f"stopped{progress}; {self._kept_folder} is kept: give the same settings with "
            f"`resume=True` to continue {self._result}",
            self._stop.received or signal.SIGINT,
        )


class Session:
    """The work on one unit in one call; made by `Study.session`.

    A unit calls `restore` and `begin`, then `pause` between any two steps, and `finish` at its end.
    """

    def __init__(
        self,
        study: Study,
        unit: str,
        checkpoint: Checkpoint | None,
        configuration: Mapping[str, Any],
        every: float,
        resume: bool,
    ) -> None:
        self._study, self._unit = study, unit
        self._checkpoint, self._configuration = checkpoint, configuration
        self._interval, self._resume = Interval(every), resume
        self._earlier, self._clock = 0.0, Clock()
        self._at: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds of work on the unit, those of earlier calls among them."""
        return self._clock.seconds

    def restore(self) -> Kept | None:
        """Return what an earlier call kept of the unit; None if it begins.

        Torch gets as many threads as the earlier call had.

        Raises
        ------
        InputError
            If it was kept with another configuration, or the checkpoint is damaged.
        """
        if not self._resume or self._checkpoint is None or not self._checkpoint.exists():
            return None
        arrays, notes = self._checkpoint.read()
        compare_configurations(notes["configuration"], self._configuration)
        # The same number of threads, for the same rounding in every matrix product.
        torch.set_num_threads(notes["threads"])
        self._earlier = notes["seconds"]
        return arrays, notes

    def begin(self, share: float = 0.0, at: float | None = None) -> None:
        """Begin to count the time, at the share of the unit that an earlier call has done.

        Parameters
        ----------
        share : float
        at : float, optional
            The value of the count of steps that `pause` will be given.
        """
        self._clock = Clock(self._earlier)
        self._at = at
        self._interval.restart(at)
        self._study.forecast.begin(self._unit, share)

    def pause(
        self,
        state: Callable[[], ProgressState],
        keep: Callable[[], Kept] | None = None,
        at: float | None = None,
    ) -> None:
        """Show how the unit stands, write a checkpoint if one is due, and stop after a signal.

        Parameters
        ----------
        state : callable
            Returns how the unit stands; called for a progress display, and before stopping.
        keep : callable, optional
            Returns what is to be kept.
        at : float, optional
            The count of steps by which checkpoints are due; by default they are by seconds.

        Raises
        ------
        Interrupted
            After a signal, when the unit was kept.
        """
        self._at = at
        if self._study.watched:
            self._study.tell(self._unit, state())
        stopped = self._study.stopped
        if keep is not None and (stopped or self._interval.is_over(at)):
            self.keep(*keep())
        if stopped:
            raise self._study.interrupted(state().doing)

    def keep(
        self, arrays: Mapping[str, np.ndarray], notes: Mapping[str, Any] | None = None
    ) -> None:
        """Write a checkpoint now."""
        assert self._checkpoint is not None
        own_notes = {
            "configuration": self._configuration,
            "threads": torch.get_num_threads(),
            "seconds": self.seconds,
        }
        self._checkpoint.write(arrays, own_notes | dict(notes or {}))
        self._interval.restart(self._at)

    def finish(self, title: str) -> None:
        """Note that the unit is done; stop if a signal asked to and there are other units.

        Parameters
        ----------
        title : str
            What was done, for the line about it.

        Raises
        ------
        Interrupted
            After a signal.
        """
        self._study.finish(self._unit, title, self.seconds)

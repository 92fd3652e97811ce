"""The time that work takes: counted over interruptions, forecast, and written in words."""

from __future__ import annotations

import time
from collections.abc import Mapping


class Clock:
    """Counts the seconds of some work, the time between its interruptions left out.

    Parameters
    ----------
    earlier : float
        Seconds of the calls before this one.
    """

    def __init__(self, earlier: float = 0.0) -> None:
        self._earlier = earlier
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of work so far, in this call and in earlier ones."""
        return self._earlier + time.monotonic() - self._start


class Forecast:
    """Guesses from what a call has done how long the rest will take.

    Work of earlier calls does not count: it took no time in this call, so that it says nothing
    about the time that the rest will take.

    Parameters
    ----------
    efforts : mapping of str to float
        The work of each unit, in any common measure; positive.
    """

    def __init__(self, efforts: Mapping[str, float]) -> None:
        self._efforts = dict(efforts)
        self._earlier = dict.fromkeys(efforts, 0.0)
        self._reached = dict.fromkeys(efforts, 0.0)
        self._start = time.monotonic()

    def begin(self, unit: str, share: float) -> None:
        """Begin a unit of which an earlier call has done a share."""
        self._earlier[unit] = self._reached[unit] = share

    def reach(self, unit: str, share: float) -> None:
        """Note which share of a unit is done."""
        self._reached[unit] = share

    @property
    def share(self) -> float:
        """The done share of the work of this call."""
        all_of_call = sum(
            effort * (1.0 - self._earlier[unit]) for unit, effort in self._efforts.items()
        )
        return self._done / all_of_call if all_of_call > 0.0 else 1.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the rest will take; None if nothing is left, or nothing was done yet."""
        effort_left = sum(
            effort * (1.0 - self._reached[unit]) for unit, effort in self._efforts.items()
        )
        if not (effort_left > 0.0 and self._done > 0.0):
            return None
        return (time.monotonic() - self._start) * effort_left / self._done

    @property
    def _done(self) -> float:
        return sum(
            effort * (self._reached[unit] - self._earlier[unit])
            for unit, effort in self._efforts.items()
        )


class Interval:
    """Says when the next checkpoint is due.

    Parameters
    ----------
    length : float
        Seconds, or steps of a count that the caller keeps, such as epochs.
    """

    def __init__(self, length: float) -> None:
        self._length = length
        self._last_start = time.monotonic()

    def restart(self, at: float | None = None) -> None:
        """Begin anew, at a value of the caller's count; by default now."""
        self._last_start = time.monotonic() if at is None else at

    def is_over(self, at: float | None = None) -> bool:
        """Return whether the interval is over, at a value of the caller's count; by default now."""
        return (time.monotonic() if at is None else at) - self._last_start >= self._length


def duration(seconds: float) -> str:
    """Return a time in words: ``12 s``, ``3 min 20 s``, ``2 h 5 min``."""
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60} s"
    return f"{total // 3600} h {total % 3600 // 60} min"

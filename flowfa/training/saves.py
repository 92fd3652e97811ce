"""At which steps states are saved, and the training times of those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flowfa.errors import InputError
from flowfa.settings.training import MOST_STEPS
from flowfa.training.schedule import Schedule

LOG_SPACING_DECADES = 4.0
COINCIDENCE = 1e-9
"""Relative difference below which two sums of rates are the same time."""


@dataclass(frozen=True)
class SavePlan:
    """The saved steps of each variant (a pair of rate and momentum).

    Attributes
    ----------
    steps : numpy.ndarray
        Numbers of steps done, increasing from 0, (variant, save).
    times : numpy.ndarray
        Sum of the rates until then, (variant, save).
    """

    steps: np.ndarray
    times: np.ndarray

    @property
    def common_times(self) -> bool:
        """Whether all variants are saved at the same times."""
        return bool(np.allclose(self.times, self.times[:1], rtol=COINCIDENCE, atol=0.0))

    @property
    def axis(self) -> np.ndarray:
        """The axis that variants share, (save,): times, or where those differ, step numbers."""
        return self.times[0] if self.common_times else self.steps[0].astype(np.float64)


def plan_saves(
    rates: Sequence[float],
    schedule: Schedule,
    *,
    steps: int | None,
    t_end: float | None,
    save: int,
    spacing: str = "linear",
    save_at: Sequence[float] | None = None,
) -> SavePlan:
    """Choose the saved steps, at most `save` of them, both ends included.

    With `steps` they are the same for all rates. With `t_end` all rates are saved at the same
    times, which are those that every rate meets after a whole number of steps.

    Parameters
    ----------
    rates : sequence of float
        eta of each variant.
    schedule : Schedule
    steps, t_end
        One of the two is given.
    save : int
        At least 2.
    spacing : {"linear", "log"}
    save_at : sequence of float, optional
        The saved steps, or with `t_end` times, instead; both ends are saved too.

    Raises
    ------
    InputError
        If some rate does not meet `t_end` or a time that is listed, or grows beyond the numbers of
        a computer.
    """
    if t_end is None:
        assert steps is not None
        chosen = _spread(steps, save, spacing)
        if save_at is not None:
            chosen = np.union1d(np.array(save_at, dtype=np.int64), [0, steps])
        numbers = np.tile(chosen, (len(rates), 1))
    else:
        numbers = _meeting(list(rates), schedule, t_end)
        last = numbers.shape[1] - 1
        if save_at is None:
            numbers = numbers[:, _spread(last, save, spacing)]
        else:
            common = schedule.times(rates[0], numbers[0])
            numbers = numbers[:, np.union1d(_listed(common, save_at), [0, last])]
    times = np.stack(
        [schedule.times(rate, saved) for rate, saved in zip(rates, numbers, strict=True)]
    )
    if not np.isfinite(times).all():
        step = int(numbers[~np.isfinite(times)].min())
        raise InputError(
            f"`schedule` is {schedule}, under which the rate grows beyond all numbers before step "
            f"{step}: take fewer steps, or divide more rarely or by a number nearer to 1"
        )
    return SavePlan(numbers, times)


def _listed(common: np.ndarray, save_at: Sequence[float]) -> np.ndarray:
    """Return the indices of listed times among those that all rates meet."""
    wanted = np.array(save_at, dtype=np.float64)
    nearest = _nearest(common, wanted)
    off = np.flatnonzero(np.abs(common[nearest] - wanted) > COINCIDENCE * np.maximum(wanted, 1.0))
    if len(off):
        time = wanted[off[0]]
        beside = [*common[common < time][-1:], *common[common > time][:1]]
        raise InputError(
            f"`save_at` has {time:.9g}, which is no whole number of steps at each rate: choose "
            f"{' or '.join(f'{entry:.9g}' for entry in beside)}"
        )
    return nearest


def _spread(last: int, save: int, spacing: str) -> np.ndarray:
    """Return up to `save` of the indices 0 .. last, both ends among them."""
    if spacing == "linear" or last < 2:
        spread = np.linspace(0.0, last, save)
    else:
        spread = np.concatenate([[0.0], last * np.logspace(-LOG_SPACING_DECADES, 0.0, save - 1)])
    chosen = np.unique(spread.round().astype(np.int64))
    return np.union1d(chosen, [0, last])


def _meeting(rates: list[float], schedule: Schedule, t_end: float) -> np.ndarray:
    """Return the numbers of steps after which all rates meet, (variant, meeting)."""
    courses = {rate: _course(rate, schedule, t_end) for rate in dict.fromkeys(rates)}
    common = min(courses.values(), key=len)
    for course in courses.values():
        nearest = _nearest(course, common)
        common = common[np.abs(course[nearest] - common) <= COINCIDENCE * common]
    return np.stack([_nearest(courses[rate], common) for rate in rates])


def _course(rate: float, schedule: Schedule, t_end: float) -> np.ndarray:
    """Return the times after 0, 1, 2, ... steps, up to t_end."""
    if t_end / rate > MOST_STEPS:
        raise InputError(
            f"`t_end` {t_end:g} takes {t_end / rate:.3g} steps at rate {rate:g}: expected at most "
            f"{MOST_STEPS:g}, so give a larger rate or a smaller `t_end`"
        )
    count = max(1, round(t_end / rate))
    while True:
        times = schedule.times(rate, np.arange(count + 1))
        if times[-1] >= t_end * (1.0 - COINCIDENCE):
            break
        if len(times) > 1 and times[-1] == times[-2]:
            raise InputError(
                f"at rate {rate:g} the schedule never gets to `t_end` {t_end:g} (only to "
                f"{times[-1]:.9g}): give a smaller `t_end`, or `steps`"
            )
        count *= 2
    last = int(_nearest(times, np.array([t_end]))[0])
    if last < 1 or abs(times[last] - t_end) > COINCIDENCE * t_end:
        below = times[times < t_end][-1]
        above = times[times > t_end][0]
        raise InputError(
            f"`t_end` {t_end:g} is no whole number of steps at rate {rate:g}: choose "
            f"{below:.9g} or {above:.9g}, or give `steps`"
        )
    return times[: last + 1]


def _nearest(course: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the index of the entry of an increasing array nearest to each time."""
    right = np.searchsorted(course, times).clip(1, max(1, len(course) - 1))
    right = right.clip(max=len(course) - 1)
    left = right - 1
    return np.where(times - course[left] <= course[right] - times, left, right)

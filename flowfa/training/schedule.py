"""Learning-rate schedules: constant, or divided by a factor at some steps."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass

import numpy as np

from flowfa.errors import InputError

_FORMS = (
    "constant, FACTOR@STEP,STEP,... such as 2@100,250, or FACTOR@every:STEPS such as 10@every:1000"
)
_TEXT = re.compile(r"(?P<factor>[^@]+)@(?:every:(?P<every>\d+)|(?P<at>\d+(?:,\d+)*))")


@dataclass(frozen=True)
class Schedule:
    """By what the rate of a step is divided.

    Step k (from 0) goes at eta_k = eta / factor^j, j being the number of divisions due by then.

    Parameters
    ----------
    factor : float
        Positive and finite.
    at : tuple of int
        Steps from which on the rate is divided once more, increasing, positive.
    every : int, optional
        Divide at every multiple of this number of steps instead.

    Raises
    ------
    InputError
        If a number is out of range, or both `at` and `every` are given.

    Examples
    --------
    >>> from flowfa.training import Schedule
    >>> schedule = Schedule.parse("10@every:1000")
    >>> [schedule.scale(step) for step in (0, 999, 1000, 2000)]
    [1.0, 1.0, 0.1, 0.01]
    """

    factor: float = 1.0
    at: tuple[int, ...] = ()
    every: int | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.factor < math.inf:
            raise InputError(f"the schedule divides by {self.factor}: expected a positive number")
        if self.at and self.every is not None:
            raise InputError("the schedule has steps and a period: give one of them")
        if list(self.at) != sorted(set(self.at)) or any(step < 1 for step in self.at):
            raise InputError(
                f"the schedule divides at steps {', '.join(map(str, self.at))}: expected "
                "increasing whole numbers of at least 1"
            )
        if self.every is not None and self.every < 1:
            raise InputError(f"the schedule divides every {self.every} steps: expected at least 1")

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Return the schedule of ``constant``, ``2@100,250`` or ``10@every:1000``.

        Raises
        ------
        InputError
            If it is none of these.
        """
        if text == "constant":
            return cls()
        match = _TEXT.fullmatch(text.replace(" ", ""))
        try:
            assert match is not None
            factor = float(match["factor"])
        except (AssertionError, ValueError):
            raise InputError(f"unknown schedule {text!r}: expected {_FORMS}") from None
        if match["every"] is not None:
            return cls(factor, every=int(match["every"]))
        return cls(factor, tuple(int(step) for step in match["at"].split(",")))

    def __str__(self) -> str:
        """Return the text that `parse` understands."""
        if self.every is not None:
            return f"{self.factor!r}@every:{self.every}"
        return f"{self.factor!r}@{','.join(map(str, self.at))}" if self.at else "constant"

    def scale(self, step: int) -> float:
        """Return eta_k / eta of step k; infinity where it is beyond the numbers of a computer."""
        return self._power(self._divisions(step))

    def times(self, rate: float, steps: np.ndarray) -> np.ndarray:
        """Return the training time after each number of steps: the sum of their rates.

        Parameters
        ----------
        rate : float
            eta.
        steps : numpy.ndarray
            Numbers of steps, int64.

        Returns
        -------
        numpy.ndarray
            Infinity where the rate has grown beyond the numbers of a computer.
        """
        last = int(steps.max(initial=0))
        edges = self.at if self.every is None else range(self.every, last, self.every)
        bounds = [0, *(edge for edge in edges if edge < last), last]
        total = np.zeros(len(steps))
        with np.errstate(over="ignore"):
            for divisions, (start, stop) in enumerate(itertools.pairwise(bounds)):
                # Whole segments at once: a product is exact where a sum of a million terms is not.
                within = np.clip(steps, start, stop) - start
                scale = self._power(divisions)
                # 0 steps at an infinite rate take no time.
                total += np.where(within > 0, scale, 0.0) * within
            return rate * total

    def _power(self, divisions: int) -> float:
        try:
            return self.factor**-divisions
        except OverflowError:
            return math.inf

    def _divisions(self, step: int) -> int:
        if self.every is not None:
            return step // self.every
        return sum(step >= edge for edge in self.at)


CONSTANT = Schedule()
"""The rate stays as it is."""

"""Trajectories moved on by the compiled loop, in threads; what it does not know is done here."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch

from flowfa.machine.compiled import announced, compiling_message
from flowfa.solvers.hybrid.layers import Setting
from flowfa.solvers.hybrid.loop import (
    COUNTERS,
    DONE,
    NEXT_SAVE,
    NEXT_TRIAL,
    NO_ROOM,
    SWEPT,
    TO_JUDGE,
    TO_SWEEP,
    WRITTEN,
    integrate,
)
from flowfa.solvers.hybrid.records import LAST_STEP, SIZE, STEP, TIME, Memory
from flowfa.solvers.hybrid.signals import STEP_TIMES
from flowfa.solvers.hybrid.sweep import sweep

MOST_ROOM = 64
"""States at save times that one call hands back at most, unless one step passes more."""
LOADING = 4.0
"""Seconds in which the compiled loop is loaded from numba's cache, on a slow machine too."""
COMPILING = 60
"""Seconds that compiling it takes."""
ROOM = 2**22
"""Numbers that the states at save times which one call hands back may take together."""
WORTH_A_THREAD = 16
"""Blocks of neurons from which on a sweep pays for being shared among threads."""


@dataclass(frozen=True)
class Limits:
    """How far a call moves trajectories, and what its errors may be.

    Attributes
    ----------
    tolerance, end : float
    most_steps : int
        Accepted steps in one call.
    most_trials : numpy.ndarray
        Trials that each trajectory has left, (trajectory,).
    save_times : numpy.ndarray
        (save,).
    """

    tolerance: float
    end: float
    most_steps: int
    most_trials: np.ndarray
    save_times: np.ndarray


@dataclass(frozen=True)
class Moved:
    """What a call made of each trajectory.

    Attributes
    ----------
    ends : list of int
        How it ended; see `loop`.
    counters : numpy.ndarray
        (trajectory, 8); see `loop`.
    saved : list of numpy.ndarray
        States at the save times passed, each (save, parameter).
    """

    ends: list[int]
    counters: np.ndarray
    saved: list[np.ndarray]


class Trajectories:
    """The trajectories of a field, ready for the compiled loop.

    Parameters
    ----------
    setting : Setting
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.layers = [setting.layer(row) for row in range(setting.rows)]
        self.spaces = [setting.space() for _ in self.layers]

    def move(
        self,
        arrays: dict[str, np.ndarray],
        errors: np.ndarray,
        next_save: Sequence[int],
        limits: Limits,
    ) -> Moved:
        """Move all trajectories on by some steps.

        Parameters
        ----------
        arrays : dict of numpy.ndarray
            What the solver keeps of them; changed.
        errors : numpy.ndarray
            The sums of their error estimates, (trajectory,); added to.
        next_save : sequence of int
            Index of the next save time of each.
        limits : Limits
        """
        rows, threads = len(self.layers), torch.get_num_threads()
        blocks = len(self.spaces[0].path.counts)
        share = threads > 1 and rows < threads and blocks >= WORTH_A_THREAD
        times = np.stack([arrays["time"], arrays["step"], arrays["last_step"]], axis=1)
        numbers = np.concatenate([times, arrays["size"]], axis=1)
        memories = [
            Memory(
                arrays["state"][row],
                arrays["zeta"][row],
                arrays["modes"][row],
                arrays["farthest"][row],
                arrays["weights"][row],
                arrays["signals"][row],
                numbers[row],
                arrays["flags"][row],
            )
            for row in range(rows)
        ]
        size = arrays["state"].shape[1]
        moved = Moved(
            [NEXT_TRIAL] * rows,
            np.zeros((rows, len(COUNTERS)), np.int64),
            [np.empty((max(1, min(MOST_ROOM, ROOM // size)), size)) for _ in range(rows)],
        )
        for space, following in zip(self.spaces, next_save, strict=True):
            space.progress[DONE], space.progress[WRITTEN] = 0, 0
            space.progress[NEXT_SAVE] = following

        def call(row: int, stage: int, most_trials: int) -> int:
            return integrate(
                self.layers[row],
                memories[row],
                self.spaces[row],
                limits.tolerance,
                limits.end,
                limits.most_steps,
                most_trials,
                limits.save_times,
                moved.saved[row],
                moved.counters[row],
                errors[row : row + 1],
                stage,
                share,
            )

        def move(row: int) -> None:
            stage = stages[row]
            while (end := call(row, stage, int(limits.most_trials[row]))) == NO_ROOM:
                if self.spaces[row].progress[WRITTEN] > 0:
                    break
                # One step passes more save times than there is room for.
                moved.saved[row] = np.empty((4 * len(moved.saved[row]), size))
            moved.ends[row] = end

        if not getattr(integrate, "signatures", True):
            # A call without trials compiles the loop, or loads it from numba's cache.
            with announced(compiling_message(integrate, COMPILING), after=LOADING):
                call(0, NEXT_TRIAL, 0)
        stages, pending = [NEXT_TRIAL] * rows, list(range(rows))
        with ThreadPoolExecutor(threads) as pool:
            each = pool.map if threads > 1 else map
            while pending:
                list(each(move, pending))
                for row in pending:
                    stages[row] = moved.ends[row]
                    if stages[row] == TO_SWEEP:
                        self._sweep(row, memories[row], pool, threads)
                        stages[row] = SWEPT
                    elif stages[row] == SWEPT:
                        stages[row] = TO_JUDGE
                self._judge_by_own_loss([row for row in pending if stages[row] == TO_JUDGE])
                pending = [row for row in pending if stages[row] in (SWEPT, TO_JUDGE)]
        arrays["time"][:], arrays["step"][:] = numbers[:, TIME], numbers[:, STEP]
        arrays["last_step"][:], arrays["size"][:] = numbers[:, LAST_STEP], numbers[:, SIZE:]
        saved = [
            states[: space.progress[WRITTEN]]
            for states, space in zip(moved.saved, self.spaces, strict=True)
        ]
        return replace(moved, saved=saved)

    def _sweep(self, row: int, memory: Memory, pool: ThreadPoolExecutor, threads: int) -> None:
        """Make a sweep of one trajectory, its blocks of neurons shared among the threads."""
        layer, space = self.layers[row], self.spaces[row]
        cuts = np.linspace(0, len(space.path.counts), threads + 1).round().astype(int).tolist()

        def some(first: int, last: int) -> None:
            sweep(layer, memory, space.guess, STEP_TIMES, 3, first, last, space.path)

        list(pool.map(some, cuts[:-1], cuts[1:]))

    def _judge_by_own_loss(self, rows: list[int]) -> None:
        """Write the residuals and slopes that a loss of the user's own makes of the outputs."""
        if not rows:
            return
        chosen = torch.tensor(rows)
        outputs = torch.from_numpy(np.stack([self.spaces[row].outputs for row in rows]))
        residuals = self.setting.residuals(outputs, chosen).numpy()
        slopes = self.setting.slopes(outputs[:, 1], chosen).numpy()
        for i, row in enumerate(rows):
            self.spaces[row].residuals[:], self.spaces[row].slope[:] = residuals[i], slopes[i]

"""The state of an integration: every trajectory's time, step, tolerance test and status."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from flowfa.flow.base import Field
from flowfa.solvers.stepping.status import Status

COUNTERS = ("steps", "rejected", "evaluations")
EVENT_COUNTERS = ("crossings", "slidings", "exits", "flips", "repelling")
"""Counted by solvers that see events; -1 elsewhere."""
ERROR_ESTIMATE = "error_estimate"
"""The solver's own estimate of the error at the end, NaN where it makes none."""


class SaveCallback(Protocol):
    """Receives states at save times: rows of the ensemble, indices of save times, states."""

    def __call__(self, rows: Tensor, saves: Tensor, states: Tensor) -> None:
        """Record states (row, parameter); `rows` does not decrease."""
        ...


@dataclass
class Integration:
    """All trajectories: where each stands, and the solver's memory of those still running.

    Attributes
    ----------
    save_times : Tensor
        Requested times, increasing from 0 to the end, (save,).
    state : Tensor
        Last good state of each trajectory, (trajectory, parameter); for running ones it is
        brought up to date when they end.
    time : Tensor
        Time reached, (trajectory,), likewise.
    status : list of Status
    detail : list of str
        What the status's message should add: which neuron, at what time.
    counters : dict of numpy.ndarray
        ``steps`` (accepted), ``rejected``, ``evaluations`` of the field, the `EVENT_COUNTERS`,
        and the `ERROR_ESTIMATE`, each (trajectory,).
    next_save : numpy.ndarray
        Index of the next save time of each trajectory.
    working : Tensor
        Trajectories still running, increasing: the working set.
    memory : dict of Tensor
        What the solver keeps, each with one row for each member of the working set;
        `stepping.side_by_side.SideBySide` keeps entries of its parts too, with rows for theirs.
    kept : dict of Tensor
        What `stepping.continuing.Continuable` keeps for a later end, (trajectory, ...).
    """

    save_times: Tensor
    state: Tensor
    time: Tensor
    status: list[Status]
    detail: list[str]
    counters: dict[str, np.ndarray]
    next_save: np.ndarray
    working: Tensor
    memory: dict[str, Tensor] = field(default_factory=dict)
    kept: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def begin(cls, state: Tensor, save_times: Tensor) -> Integration:
        """Set all trajectories at time 0.

        Parameters
        ----------
        state : Tensor
            Initial states, (trajectory, parameter).
        save_times : Tensor
            Increasing, from 0 to the end, (save,).
        """
        size = len(state)
        return cls(
            save_times=save_times,
            state=state.clone(),
            time=state.new_zeros(size),
            status=[Status.RUNNING] * size,
            detail=[""] * size,
            counters={name: np.zeros(size, dtype=np.int64) for name in COUNTERS}
            | {name: np.full(size, -1, dtype=np.int64) for name in EVENT_COUNTERS}
            | {ERROR_ESTIMATE: np.full(size, np.nan)},
            next_save=np.zeros(size, dtype=np.int64),
            working=torch.arange(size, device=state.device),
        )

    @classmethod
    def going_on(cls, memory: dict[str, Tensor], times: Tensor, end: float) -> Integration:
        """Set trajectories where a solver's memory has them, to be looked at at other times.

        Solvers choose their steps without looking at save times, so that these are the steps that
        they took from there.

        Parameters
        ----------
        memory : dict of Tensor
            A row for each trajectory; it is changed as the solver goes on.
        times : Tensor
            Where states are saved, increasing, after 0 and at most `end`, (time,). They follow the
            save time 0, which the trajectories have behind them.
        end : float
            Of the integration in which the memory was taken, where steps are cut.
        """
        outer = times.new_tensor([0.0, end])
        run = cls.begin(memory["state"], torch.cat([outer[:1], times, outer[1:]]).unique())
        run.memory, run.time = memory, memory["time"].clone()
        run.next_save = np.searchsorted(
            run.save_times.cpu().numpy(), run.time.cpu().numpy(), side="right"
        )
        return run

    @property
    def end(self) -> float:
        """The end time."""
        return float(self.save_times[-1])

    def count(self, name: str, increment: Tensor | np.ndarray | int) -> None:
        """Add to a counter of the working trajectories."""
        amount = increment.cpu().numpy() if isinstance(increment, Tensor) else increment
        self.counters[name][self.working.cpu().numpy()] += amount

    def retire(self, leaving: dict[int, tuple[Status, str]]) -> None:
        """Let trajectories leave the working set.

        Parameters
        ----------
        leaving : dict
            For a position in the working set its final status and detail. The memory must hold
            ``state`` and ``time``, the last good ones.
        """
        if not leaving:
            return
        ended = torch.zeros(len(self.working), dtype=torch.bool, device=self.working.device)
        ended[list(leaving)] = True
        rows = self.working[ended]
        self.state[rows] = self.memory["state"][ended]
        self.time[rows] = self.memory["time"][ended]
        for position, (status, detail) in leaving.items():
            row = int(self.working[position])
            self.status[row] = status
            self.detail[row] = detail
        self.working = self.working[~ended]
        self.memory = {name: value[~ended] for name, value in self.memory.items()}

    def message(self, row: int) -> str:
        """Return the status of a trajectory as a sentence with its remedy."""
        status, detail = self.status[row], self.detail[row]
        return f"{status.value} ({detail})" if detail else status.value

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return everything as plain arrays, for a checkpoint."""
        arrays = {f"memory_{name}": value.cpu().numpy() for name, value in self.memory.items()}
        arrays |= {f"kept_{name}": value.cpu().numpy() for name, value in self.kept.items()}
        arrays |= {f"count_{name}": value for name, value in self.counters.items()}
        return arrays | {
            "save_times": self.save_times.cpu().numpy(),
            "state": self.state.cpu().numpy(),
            "time": self.time.cpu().numpy(),
            "status": np.array([status.code for status in self.status]),
            "detail": np.array(self.detail, dtype=np.str_),
            "next_save": self.next_save,
            "working": self.working.cpu().numpy(),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], device: torch.device) -> Integration:
        """Restore what `to_arrays` returned, bit for bit."""

        def tensor(array: np.ndarray) -> Tensor:
            # torch.tensor copies into torch's own aligned memory, as in the first run.
            return torch.tensor(array, device=device)

        memory = {k[7:]: tensor(v) for k, v in arrays.items() if k.startswith("memory_")}
        kept = {k[5:]: tensor(v) for k, v in arrays.items() if k.startswith("kept_")}
        counters = {k[6:]: v.copy() for k, v in arrays.items() if k.startswith("count_")}
        return cls(
            save_times=tensor(arrays["save_times"]),
            state=tensor(arrays["state"]),
            time=tensor(arrays["time"]),
            status=[Status.from_code(int(code)) for code in arrays["status"]],
            detail=[str(text) for text in arrays["detail"]],
            counters=counters,
            next_save=arrays["next_save"].copy(),
            working=tensor(arrays["working"]),
            memory=memory,
            kept=kept,
        )


class Solver(Protocol):
    """A numerical method; it moves the working set forward a little at each call.

    A solver keeps no state of its own between calls: everything is in the `Integration`, so that
    a run can be stopped, stored and continued bit for bit.

    Attributes
    ----------
    name : str
        The name it is registered under.
    """

    name: str

    def start(self, field: Field, run: Integration) -> None:
        """Fill ``run.memory`` for the working set; it must have ``state`` and ``time``."""
        ...

    def advance(self, field: Field, run: Integration, save: SaveCallback) -> None:
        """Try one step of each working trajectory, save what it passed, retire what ended.

        `field` has one row for each member of the working set.
        """
        ...


@runtime_checkable
class StepByStep(Protocol):
    """A solver that takes several steps in one call of `advance`, and can be asked to take one."""

    def step_by_step(self) -> Solver:
        """Return the same method, whose trajectories take one accepted step a call at most."""
        ...


def merge_states(accepted: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """Return `new` where a trajectory is accepted and `old` elsewhere, by leading dimension."""
    return torch.where(accepted.view(-1, *(1,) * (new.ndim - 1)), new, old)

"""How large a record is: its networks, times and snapshots, before anything is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from flowfa.errors import InputError
from flowfa.records.names import (
    FLOW_TIME,
    ROW,
    ROW_LAYER,
    ROW_NEURON,
    STEPS_DONE,
    TRAINING_AXES,
    TRAINING_TIME,
)


@dataclass(frozen=True)
class TrainingAxes:
    """What tells the trajectories of discrete training apart, and when each was saved.

    Parameters
    ----------
    rate, momentum : numpy.ndarray
        Of each trajectory, (trajectory,).
    steps : numpy.ndarray
        Steps done at each save, (trajectory, save), int64.
    times : numpy.ndarray
        Sum of the rates until then, (trajectory, save).
    """

    rate: np.ndarray
    momentum: np.ndarray
    steps: np.ndarray
    times: np.ndarray


@dataclass(frozen=True)
class Observed:
    """An observable that a run was asked for.

    Parameters
    ----------
    name : str
    per : {"trajectory", "layer", "neuron", "sample"}
        What it has one value of at each save time.
    attrs : dict
        ``long_name``, ``source`` (the function it came from) and, if it has one, ``units``.
    """

    name: str
    per: Literal["trajectory", "layer", "neuron", "sample"]
    attrs: dict[str, str]


@dataclass(frozen=True)
class RecordLayout:
    """The shapes of a record, known before the run.

    Parameters
    ----------
    trajectories : int
        Number of trajectories N.
    save_times : numpy.ndarray
        Times at which observables are saved, (save,).
    snapshot_columns : tuple of int
        Indices of the save times at which weights are saved, the first and the last among them.
    layers : int
        Number of layers L.
    neuron_layer, neuron_index : numpy.ndarray
        Layer (from 1) and position within it (from 0) of each hidden neuron, (neuron,).
    weights : dict
        Shape of each snapshot variable of one trajectory: ``{"W1": (100, 300), "c1": (100,)}``.
        Feedback that moves is among them: ``{"moving_B2": (100, 1)}``.
    feedback : dict
        The same of what the rules keep, as it is at time 0: ``{"B2": (100, 1)}``.
    rules : tuple of str
        Rule of each trajectory.
    starts : numpy.ndarray
        Start of each trajectory, (trajectory,): equal starts have equal initial weights.
    training : TrainingAxes, optional
        Of discrete training; None for a flow.
    observed : tuple of Observed
        What is recorded beside the variables that every result has.
    samples : int
        Number of samples, which something observed may have a value of each of.

    Raises
    ------
    ValueError
        If lengths disagree, or the first or last save time has no snapshot.
    InputError
        If something observed has the name of a variable that every result has.
    """

    trajectories: int
    save_times: np.ndarray
    snapshot_columns: tuple[int, ...]
    layers: int
    neuron_layer: np.ndarray
    neuron_index: np.ndarray
    weights: dict[str, tuple[int, ...]]
    feedback: dict[str, tuple[int, ...]]
    rules: tuple[str, ...]
    starts: np.ndarray
    training: TrainingAxes | None = None
    observed: tuple[Observed, ...] = ()
    samples: int = 0

    def __post_init__(self) -> None:
        self._check_names()
        columns = self.snapshot_columns
        if list(columns) != sorted(set(columns)) or (columns[0], columns[-1]) != (
            0,
            self.saves - 1,
        ):
            raise ValueError(f"snapshot columns {columns} must rise from 0 to {self.saves - 1}")
        if not self.trajectories == len(self.rules) == len(self.starts):
            raise ValueError(f"{self.trajectories} trajectories need as many rules and starts")
        if len(self.neuron_layer) != len(self.neuron_index):
            raise ValueError("neuron_layer and neuron_index must have one entry for each neuron")

    @property
    def saves(self) -> int:
        """Number of save times S."""
        return len(self.save_times)

    @property
    def times_of_trajectories(self) -> np.ndarray:
        """The time of each trajectory at each save, (trajectory, save)."""
        if self.training is not None:
            return self.training.times
        return np.broadcast_to(self.save_times, (self.trajectories, self.saves))

    @property
    def time_title(self) -> str:
        """What the time axis shows."""
        if self.training is None:
            return FLOW_TIME
        counts_time = np.array_equal(self.save_times, self.training.times[0])
        return TRAINING_TIME if counts_time else STEPS_DONE

    @property
    def row_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each variable of one saved row: one trajectory at one save time."""
        return (
            {name: () for name in ROW}
            | {name: (self.layers,) for name in ROW_LAYER}
            | {name: (len(self.neuron_layer),) for name in ROW_NEURON}
            | {observed.name: self._shape_of(observed) for observed in self.observed}
        )

    def _shape_of(self, observed: Observed) -> tuple[int, ...]:
        shapes = {
            "trajectory": (),
            "layer": (self.layers,),
            "neuron": (len(self.neuron_layer),),
            "sample": (self.samples,),
        }
        return shapes[observed.per]

    def _check_names(self) -> None:
        """Refuse observables called like another variable of the groups they go into."""
        axes = {*TRAINING_AXES, "time", "trajectory", "layer", "rule", "start", "index", "kappa"}
        for observed in self.observed:
            if observed.name in {*ROW, *ROW_LAYER, *ROW_NEURON, *axes}:
                raise InputError(
                    f"an observable cannot be called {observed.name!r}, the name of a variable "
                    "that every result has: register it under another name"
                )

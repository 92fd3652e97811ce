"""What a result holds: groups, variables, dimensions, and attributes (docs/file-format.md)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from flowfa.errors import InputError

FLOW_TIME = "time of the flow"
TRAINING_TIME = "training time: sum of the rates"
STEPS_DONE = "steps done; the times of trajectories differ, see training_time"
"""What the time axis shows."""

TRAINING_AXES = ("rate", "momentum", "step", "training_time")
"""Coordinates of /trajectory in discrete training."""

Kind = Literal["float64", "int64", "text"]

GROUPS = ("trajectory", "weights", "neurons", "data", "solver")
"""Groups that every result has."""

ROW = {
    "loss": "mean loss",
    "gradient_norm": "norm of the gradient of the loss",
    "update_norm": "norm of the update direction G",
    "cosine": "cosine of the angle between gradient and G",
    "loss_rate": "dLoss/dt along the flow, -<grad Loss, G>",
    "accuracy": "fraction of samples classified correctly",
}
ROW_LAYER = {
    "weight_norm": "Frobenius norm of W_l",
    "alignment": "cos(W_l, B_l^T)",
    "conservation_drift": "largest change of the invariant among the neurons of the layer",
}
ROW_NEURON = {"conserved": "invariant of the neuron"}
SOLVER: dict[str, tuple[Kind, str]] = {
    "status": ("text", "how the trajectory ended"),
    "message": ("text", "the status in words, with its remedy"),
    "steps": ("int64", "accepted steps; -1: not counted by this solver"),
    "rejected": ("int64", "rejected steps; -1: not counted by this solver"),
    "evaluations": ("int64", "evaluations of the field; -1: not counted by this solver"),
    "crossings": ("int64", "kinks crossed; -1: not counted by this solver"),
    "slidings": ("int64", "sliding modes entered; -1: not counted by this solver"),
    "exits": ("int64", "sliding modes left; -1: not counted by this solver"),
    "flips": ("int64", "sign changes of output weights; -1: not counted by this solver"),
    "repelling": ("int64", "events after which the flow was not unique; -1: not counted"),
    "error_estimate": ("float64", "estimated relative error at the end; NaN: not estimated"),
    "t_reached": ("float64", "time of the last good state"),
}
_EQUATION = ("gradient_norm", "update_norm", "cosine", "loss_rate")
_SPEC = {
    **{name: "Eq. (1)" for name in _EQUATION},
    "alignment": "A-1",
    **{name: "C-1" for name in ("conservation_drift", "conserved", "kappa")},
}
# Only what is a pure number has a unit; weights, losses and norms have those of the user's data.
_UNITS = {name: "1" for name in ("cosine", "accuracy", "alignment")}
_FEEDBACK = {
    "B": "feedback matrix into layer {}",
    "D": "direct feedback from the output to layer {}",
    "M": "magnitudes of the feedback into layer {}",
}


@dataclass(frozen=True)
class Variable:
    """One variable of a result.

    Parameters
    ----------
    group, name : str
    dims : tuple of str
    shape : tuple of int
    kind : str
        ``"float64"``, ``"int64"``, or ``"text"`` (variable-length UTF-8 on disk).
    attrs : dict
        ``long_name`` and, where they apply, ``spec`` and ``units``.
    coordinate : bool
        Whether xarray shows it as a coordinate.
    """

    group: str
    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    kind: Kind
    attrs: dict[str, str] = field(default_factory=dict)
    coordinate: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of its values; a text counts as a short sentence."""
        return math.prod(self.shape) * (64 if self.kind == "text" else 8)


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
    per : {"trajectory", "layer", "neuron"}
        What it has one value of at each save time.
    attrs : dict
        ``long_name``, ``source`` (the function it came from) and, if it has one, ``units``.
    """

    name: str
    per: Literal["trajectory", "layer", "neuron"]
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
    feedback : dict
        The same of the matrices that stay constant: ``{"B2": (100, 1)}``.
    rules : tuple of str
        Rule of each trajectory.
    starts : numpy.ndarray
        Start of each trajectory, (trajectory,): equal starts have equal initial weights.
    training : TrainingAxes, optional
        Of discrete training; None for a flow.
    observed : tuple of Observed
        What is recorded beside the variables that every result has.

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
        same = np.array_equal(self.save_times, self.training.times[0])
        return TRAINING_TIME if same else STEPS_DONE

    @property
    def row_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each variable of one saved row: one trajectory at one save time."""
        return (
            {name: () for name in ROW}
            | {name: (self.layers,) for name in ROW_LAYER}
            | {name: (len(self.neuron_layer),) for name in ROW_NEURON}
            | {each.name: self._shape_of(each) for each in self.observed}
        )

    def _shape_of(self, observed: Observed) -> tuple[int, ...]:
        if observed.per == "trajectory":
            return ()
        return (self.layers,) if observed.per == "layer" else (len(self.neuron_layer),)

    def _check_names(self) -> None:
        """Refuse observables called like another variable of the groups they go into."""
        axes = {*TRAINING_AXES, "time", "trajectory", "layer", "rule", "start", "index", "kappa"}
        for observed in self.observed:
            if observed.name in {*ROW, *ROW_LAYER, *ROW_NEURON, *axes}:
                raise InputError(
                    f"an observable cannot be called {observed.name!r}, the name of a variable "
                    "that every result has: register it under another name"
                )

    @property
    def nbytes(self) -> int:
        """Bytes of a result, data not counted."""
        return sum(variable.nbytes for variable in describe(self))


def describe(layout: RecordLayout, data: dict[str, np.ndarray] | None = None) -> list[Variable]:
    """Return every variable of a result, coordinates first.

    Parameters
    ----------
    layout : RecordLayout
    data : dict, optional
        The samples ``X`` and ``y``; left out, the group /data is left out too.

    Raises
    ------
    ValueError
        If two variables of a group give one dimension different sizes.
    """
    variables = [*_coordinates(layout), *_quantities(layout), *_matrices(layout)]
    variables += [
        _variable("solver", name, ("trajectory",), (layout.trajectories,), kind, title)
        for name, (kind, title) in SOLVER.items()
    ]
    if data is not None:
        variables += _data(data)
    dimensions(variables)
    return variables


def dimensions(variables: list[Variable]) -> dict[str, dict[str, int]]:
    """Return name and size of the dimensions of each group.

    Raises
    ------
    ValueError
        If two variables of a group give one dimension different sizes.
    """
    sizes: dict[str, dict[str, int]] = {}
    for variable in variables:
        group = sizes.setdefault(variable.group, {})
        for dim, size in zip(variable.dims, variable.shape, strict=True):
            if group.setdefault(dim, size) != size:
                raise ValueError(
                    f"/{variable.group}/{variable.name} has {size} of {dim}, others {group[dim]}"
                )
    return sizes


def _variable(
    group: str,
    name: str,
    dims: tuple[str, ...],
    shape: tuple[int, ...],
    kind: Kind,
    title: str,
    coordinate: bool = False,
) -> Variable:
    attrs = {"long_name": title}
    if name in _SPEC:
        attrs["spec"] = _SPEC[name]
    if name in _UNITS:
        attrs["units"] = _UNITS[name]
    return Variable(group, name, dims, shape, kind, attrs, coordinate)


def _coordinates(layout: RecordLayout) -> list[Variable]:
    count, neurons = (layout.trajectories,), (len(layout.neuron_layer),)
    snapshots = (*count, len(layout.snapshot_columns))
    own, along = ("trajectory",), ("neuron",)
    found = [
        _variable(group, "trajectory", own, count, "int64", "trajectory", True)
        for group in ("trajectory", "weights", "neurons", "solver")
    ]
    found += [
        _variable(group, "time", ("time",), (layout.saves,), "float64", layout.time_title, True)
        for group in ("trajectory", "neurons")
    ]
    if layout.training is not None:
        both = (*count, layout.saves)
        found += [
            _variable("trajectory", "rate", own, count, "float64", "first learning rate", True),
            _variable("trajectory", "momentum", own, count, "float64", "momentum", True),
            _variable("trajectory", "step", (*own, "time"), both, "int64", "steps done", True),
            _variable(
                "trajectory",
                "training_time",
                (*own, "time"),
                both,
                "float64",
                "sum of the rates until then",
                True,
            ),
        ]
    title = "time of the snapshot; NaN: not reached"
    return [
        *found,
        _variable("trajectory", "layer", ("layer",), (layout.layers,), "int64", "layer", True),
        _variable("trajectory", "rule", own, count, "text", "learning rule", True),
        _variable("trajectory", "start", own, count, "int64", "start of the trajectory", True),
        _variable(
            "weights", "snapshot_time", (*own, "snapshot"), snapshots, "float64", title, True
        ),
        _variable("neurons", "layer", along, neurons, "int64", "hidden layer, from 1", True),
        _variable("neurons", "index", along, neurons, "int64", "position in the layer", True),
    ]


def _quantities(layout: RecordLayout) -> list[Variable]:
    dims, shape = ("trajectory", "time"), (layout.trajectories, layout.saves)
    groups = (
        ("trajectory", ROW, ()),
        ("trajectory", ROW_LAYER, ("layer",)),
        ("neurons", ROW_NEURON, ("neuron",)),
    )
    found = [
        _variable(
            group, name, dims + more, shape + layout.row_shapes[name], "float64", titles[name]
        )
        for group, titles, more in groups
        for name in titles
    ]
    places: dict[str, tuple[str, tuple[str, ...]]] = {
        "trajectory": ("trajectory", ()),
        "layer": ("trajectory", ("layer",)),
        "neuron": ("neurons", ("neuron",)),
    }
    for observed in layout.observed:
        group, more = places[observed.per]
        full = shape + layout.row_shapes[observed.name]
        found.append(
            Variable(group, observed.name, dims + more, full, "float64", dict(observed.attrs))
        )
    neurons = (layout.trajectories, len(layout.neuron_layer))
    title = "minus the invariant at the first time"
    found.append(_variable("neurons", "kappa", ("trajectory", "neuron"), neurons, "float64", title))
    return found


def _matrices(layout: RecordLayout) -> list[Variable]:
    count, snapshots = layout.trajectories, len(layout.snapshot_columns)
    found = []
    for name, shape in layout.weights.items():
        layer = int(name[1:])
        inputs = "feature" if layer == 1 else f"neuron_{layer - 1}"
        dims = (f"neuron_{layer}", inputs)[: len(shape)]
        title = f"{'weights' if name[0] == 'W' else 'biases'} of layer {layer}"
        found.append(
            _variable(
                "weights",
                name,
                ("trajectory", "snapshot", *dims),
                (count, snapshots, *shape),
                "float64",
                title,
            )
        )
    for name, shape in layout.feedback.items():
        dims, title = _feedback(name, layout.layers, len(shape))
        found.append(
            _variable("weights", name, ("trajectory", *dims), (count, *shape), "float64", title)
        )
    return found


def _feedback(name: str, last: int, ndim: int) -> tuple[tuple[str, ...], str]:
    """Return dimensions and title of a kept matrix; a rule of the user's own may name it freely."""
    found = re.fullmatch(r"([BDM])(\d+)", name)
    if found is None or ndim != 2:
        return tuple(f"{name}_{axis}" for axis in range(ndim)), "kept by the rule"
    letter, layer = found[1], int(found[2])
    dims = (layer, last) if letter == "D" else (layer - 1, layer)
    return tuple(f"neuron_{at}" for at in dims), _FEEDBACK[letter].format(layer)


def _data(data: dict[str, np.ndarray]) -> list[Variable]:
    inputs, labels = data["X"], data["y"]
    leading = ("start",) if inputs.ndim == 3 else ()
    dims = (*leading, "sample", "feature")
    label_dims = (*leading, "sample", "output")[: labels.ndim]
    return [
        _variable("data", "X", dims, inputs.shape, "float64", "inputs"),
        _variable("data", "y", label_dims, labels.shape, "float64", "labels or targets"),
    ]

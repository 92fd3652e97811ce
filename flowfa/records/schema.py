"""What a result holds: groups, variables, dimensions, attributes (docs/reference)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from flowfa.records.layout import RecordLayout
from flowfa.records.names import MOVING, ROW, ROW_LAYER, ROW_NEURON, SOLVER, Kind

_EQUATION = ("gradient_norm", "update_norm", "cosine", "loss_rate")
_SPEC = {
    **{name: "Eq. (1)" for name in _EQUATION},
    "alignment": "A-1",
    **{name: "C-1" for name in ("conservation_drift", "conserved", "kappa")},
}
# Only pure numbers have a unit here: those of weights, losses and norms depend on the user's data.
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


def describe(
    layout: RecordLayout,
    data: dict[str, np.ndarray] | None = None,
    continuation: Mapping[str, np.ndarray] | None = None,
) -> list[Variable]:
    """Return every variable of a result, coordinates first.

    Parameters
    ----------
    layout : RecordLayout
    data : dict, optional
        The samples ``X`` and ``y``, and ``sample_weights`` if there are; left out, the group /data
        is left out too.
    continuation : mapping, optional
        What a longer run begins from, (trajectory, ...); likewise.

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
    variables += [_kept(name, array) for name, array in (continuation or {}).items()]
    dimensions(variables)
    return variables


def result_bytes(layout: RecordLayout) -> int:
    """Return the bytes of a result, data not counted."""
    return sum(variable.nbytes for variable in describe(layout))


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
    by_trajectory, by_neuron = ("trajectory",), ("neuron",)
    variables = [
        _variable(group, "trajectory", by_trajectory, count, "int64", "trajectory", True)
        for group in ("trajectory", "weights", "neurons", "solver")
    ]
    variables += [
        _variable(group, "time", ("time",), (layout.saves,), "float64", layout.time_title, True)
        for group in ("trajectory", "neurons")
    ]
    if layout.training is not None:
        at_saves = (*count, layout.saves)
        variables += [
            _variable(
                "trajectory", "rate", by_trajectory, count, "float64", "first learning rate", True
            ),
            _variable("trajectory", "momentum", by_trajectory, count, "float64", "momentum", True),
            _variable(
                "trajectory",
                "step",
                (*by_trajectory, "time"),
                at_saves,
                "int64",
                "steps done",
                True,
            ),
            _variable(
                "trajectory",
                "training_time",
                (*by_trajectory, "time"),
                at_saves,
                "float64",
                "sum of the rates until then",
                True,
            ),
        ]
    title = "time of the snapshot; NaN: not reached"
    return [
        *variables,
        _variable("trajectory", "layer", ("layer",), (layout.layers,), "int64", "layer", True),
        _variable("trajectory", "rule", by_trajectory, count, "text", "learning rule", True),
        _variable(
            "trajectory", "start", by_trajectory, count, "int64", "start of the trajectory", True
        ),
        _variable(
            "weights",
            "snapshot_time",
            (*by_trajectory, "snapshot"),
            snapshots,
            "float64",
            title,
            True,
        ),
        _variable("neurons", "layer", by_neuron, neurons, "int64", "hidden layer, from 1", True),
        _variable("neurons", "index", by_neuron, neurons, "int64", "position in the layer", True),
    ]


def _quantities(layout: RecordLayout) -> list[Variable]:
    dims, shape = ("trajectory", "time"), (layout.trajectories, layout.saves)
    groups = (
        ("trajectory", ROW, ()),
        ("trajectory", ROW_LAYER, ("layer",)),
        ("neurons", ROW_NEURON, ("neuron",)),
    )
    variables = [
        _variable(
            group, name, dims + extra_dims, shape + layout.row_shapes[name], "float64", titles[name]
        )
        for group, titles, extra_dims in groups
        for name in titles
    ]
    group_and_dims: dict[str, tuple[str, tuple[str, ...]]] = {
        "trajectory": ("trajectory", ()),
        "layer": ("trajectory", ("layer",)),
        "neuron": ("neurons", ("neuron",)),
        "sample": ("trajectory", ("sample",)),
    }
    for observed in layout.observed:
        group, extra_dims = group_and_dims[observed.per]
        full = shape + layout.row_shapes[observed.name]
        variables.append(
            Variable(group, observed.name, dims + extra_dims, full, "float64", dict(observed.attrs))
        )
    neurons = (layout.trajectories, len(layout.neuron_layer))
    title = "minus the invariant at the first time"
    variables.append(
        _variable("neurons", "kappa", ("trajectory", "neuron"), neurons, "float64", title)
    )
    return variables


def _matrices(layout: RecordLayout) -> list[Variable]:
    count, snapshots = layout.trajectories, len(layout.snapshot_columns)
    variables = []
    for name, shape in layout.weights.items():
        if name.startswith(MOVING):
            dims, title = _feedback(name.removeprefix(MOVING), layout.layers, len(shape))
            title = f"{title}, which moves; NaN: it does not"
        else:
            layer = int(name[1:])
            inputs = "feature" if layer == 1 else f"neuron_{layer - 1}"
            dims = (f"neuron_{layer}", inputs)[: len(shape)]
            title = f"{'weights' if name[0] == 'W' else 'biases'} of layer {layer}"
        variables.append(
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
        variables.append(
            _variable("weights", name, ("trajectory", *dims), (count, *shape), "float64", title)
        )
    return variables


def _feedback(name: str, output_layer: int, ndim: int) -> tuple[tuple[str, ...], str]:
    """Return dimensions and title of a kept matrix, which a user's rule may name as it likes."""
    match = re.fullmatch(r"([BDM])(\d+)", name)
    if match is None or ndim != 2:
        return tuple(f"{name}_{axis}" for axis in range(ndim)), "kept by the rule"
    letter, layer = match[1], int(match[2])
    dims = (layer, output_layer) if letter == "D" else (layer - 1, layer)
    return tuple(f"neuron_{index}" for index in dims), _FEEDBACK[letter].format(layer)


def _kept(name: str, array: np.ndarray) -> Variable:
    """Return a variable of /continuation; its attribute ``stored`` is the type before storing."""
    axes = tuple(f"{name}_{axis}" for axis in range(1, array.ndim))
    kind: Kind = "int64"
    if array.dtype.kind == "f":
        kind = "float64"
    elif array.dtype in (np.bool_, np.int8):
        kind = "int8"
    attrs = {"long_name": "kept for a later end", "stored": str(array.dtype)}
    return Variable("continuation", name, ("trajectory", *axes), array.shape, kind, attrs)


def _data(data: dict[str, np.ndarray]) -> list[Variable]:
    inputs, labels = data["X"], data["y"]
    leading = ("start",) if inputs.ndim == 3 else ()
    dims = (*leading, "sample", "feature")
    label_dims = (*leading, "sample", "output")[: labels.ndim]
    variables = [
        _variable("data", "X", dims, inputs.shape, "float64", "inputs"),
        _variable("data", "y", label_dims, labels.shape, "float64", "labels or targets"),
    ]
    if (weights := data.get("sample_weights")) is not None:
        title = "how much the sample counts in the mean loss"
        variables.append(
            _variable("data", "sample_weights", dims[:-1], weights.shape, "float64", title)
        )
    return variables

"""The curves that panels draw: values of a rule's trajectories over time, and their summary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import xarray as xr

from flowfa.errors import InputError
from flowfa.records.names import CONDITION_LABELS, STEPS_DONE, TRAINING_TIME
from flowfa.records.series import series_labels

_TIME_LABELS = {
    TRAINING_TIME: r"training time $\sum_k \eta_k$",
    STEPS_DONE: "steps",
}
CONSTANT = 1e-9
"""Share of its size that a quantity moves by rounding."""
# Trajectories that ended where they were to, and those of an unfinished run that have not yet.
_STILL_GOOD = ("ok", "running", *CONDITION_LABELS)


@dataclass(frozen=True)
class RuleCurves:
    """One quantity along all trajectories of one rule.

    Parameters
    ----------
    rule : str
        Name of the rule; with the rate of discrete training where there are several.
    times : numpy.ndarray
        Save times, (time,).
    values : numpy.ndarray
        (trajectory, time), NaN where a trajectory did not arrive or has no such quantity.
    ended_early : numpy.ndarray
        Whether the solver gave up before the end, (trajectory,) of bool.
    time_label : str
        What the time axis shows.
    """

    rule: str
    times: np.ndarray
    values: np.ndarray
    ended_early: np.ndarray
    time_label: str = "flow time $t$"

    @property
    def recorded(self) -> bool:
        """Whether there is any value at all."""
        return bool(np.isfinite(self.values).any())

    @property
    def whole_numbers(self) -> bool:
        """Whether the values count something."""
        known = self.values[np.isfinite(self.values)]
        return bool(len(known) and (known == known.round()).all())

    def summary(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return least, median and greatest value at each time, each (time,).

        Only trajectories that have a value at that time count; NaN where none has.
        """
        summary = np.full((3, len(self.times)), np.nan)
        has_value = np.isfinite(self.values).any(axis=0)
        summary[:, has_value] = np.nanquantile(self.values[:, has_value], (0.0, 0.5, 1.0), axis=0)
        return summary[0], summary[1], summary[2]

    def last_values(self) -> tuple[np.ndarray, np.ndarray]:
        """Return time and value of the last point of each trajectory that ended early."""
        points = [
            (self.times[reached[-1]], row[reached[-1]])
            for row in self.values[self.ended_early]
            if len(reached := np.flatnonzero(np.isfinite(row)))
        ]
        pairs = np.array(points).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]


class HasTree(Protocol):
    """Something that holds a result, such as what `flowfa.simulate` returns."""

    tree: xr.DataTree


@dataclass(frozen=True)
class Overlay:
    """Several results in one figure.

    Attributes
    ----------
    parts : tuple of (str, xarray.DataTree)
        What each is called in the legend, and the result.
    """

    parts: tuple[tuple[str, xr.DataTree], ...]


Shown = xr.DataTree | Overlay
"""What panels show: one result, or several."""
Result = xr.DataTree | HasTree
Results = Result | Sequence[Result] | Mapping[str, Result]
"""What users give: a result, several, or several with names for the legend."""


def shown(results: Results) -> Shown:
    """Return what a figure of one or several results shows.

    Parameters
    ----------
    results : Run or xarray.DataTree, or a sequence of these, or a mapping from names to these
        Results without a name are called by their files, else by numbers.

    Raises
    ------
    InputError
        If something is no result, or there is none.
    """
    if isinstance(results, xr.DataTree) or not isinstance(results, Sequence | Mapping):
        return tree_of(results)
    named = results if isinstance(results, Mapping) else dict(_called(results))
    if not named:
        raise InputError("there is no result to draw: give one")
    parts = tuple((str(name), tree_of(result)) for name, result in named.items())
    return parts[0][1] if len(parts) == 1 else Overlay(parts)


def _called(results: Sequence[Result]) -> Iterator[tuple[str, Result]]:
    """Give results with the names of their files, or with numbers where these do not tell them."""
    paths = [getattr(result, "path", None) for result in results]
    stems = ["" if path is None else path.stem for path in paths]
    if "" in stems or len(set(stems)) < len(stems):
        stems = [str(number) for number in range(1, len(stems) + 1)]
    yield from zip(stems, results, strict=True)


def parts_of(results: Shown) -> tuple[tuple[str, xr.DataTree], ...]:
    """Return each result with what its series have in their labels beside the rule."""
    if isinstance(results, Overlay):
        return tuple((f", {name}", tree) for name, tree in results.parts)
    return (("", results),)


def tree_of(result: object) -> xr.DataTree:
    """Return the tree of a result.

    Raises
    ------
    InputError
        If it is no result.
    """
    tree = getattr(result, "tree", result)
    if not isinstance(tree, xr.DataTree):
        shown = "None" if result is None else f"of type {type(result).__name__}"
        raise InputError(
            f"the result is {shown}: expected what flowfa.simulate or flowfa.load returns"
        )
    return tree


def group(tree: xr.DataTree, name: str) -> xr.Dataset:
    """Return a group of a result file.

    Raises
    ------
    InputError
        If the tree does not have it.
    """
    if name not in tree.children:
        raise InputError(
            f"these records have no group /{name}: expected a result of `flowfa simulate`, "
            "read with flowfa.load"
        )
    return tree[name].to_dataset()


def rules_of(results: Shown) -> tuple[str, ...]:
    """Return the series of results, which are their rules, in the order of their trajectories."""
    return tuple(f"{rule}{label}" for label, tree in parts_of(results) for rule in _series_of(tree))


def _series_of(tree: xr.DataTree) -> tuple[str, ...]:
    return tuple(dict.fromkeys(series_labels(group(tree, "trajectory")).tolist()))


def read_curves(results: Shown, name: str, layer: int | None = None) -> list[RuleCurves]:
    """Read one quantity of the group /trajectory, rule by rule.

    Parameters
    ----------
    results : xarray.DataTree or Overlay
        A result, or several; those that do not have the layer are passed over.
    name : str
        A variable of /trajectory, such as ``"loss"``.
    layer : int, optional
        The layer l, for variables that have one value per layer.

    Returns
    -------
    list of RuleCurves
        One entry for each rule. Infinite values count as missing.
    """
    return _joined(
        results,
        lambda tree: (
            []
            if layer is not None and layer not in _variable(tree, name)["layer"].values
            else _curves_of(tree, name, layer)
        ),
    )


def _joined(results: Shown, read: Callable[[xr.DataTree], list[RuleCurves]]) -> list[RuleCurves]:
    """Return the curves of all results, told apart by their labels."""
    return [
        replace(series, rule=f"{series.rule}{label}")
        for label, tree in parts_of(results)
        for series in read(tree)
    ]


def _curves_of(tree: xr.DataTree, name: str, layer: int | None) -> list[RuleCurves]:
    variable = _variable(tree, name)
    if layer is not None:
        variable = variable.sel(layer=layer)
    values = variable.transpose("trajectory", "time").values.astype(np.float64)
    values[~np.isfinite(values)] = np.nan
    times = variable["time"].values.astype(np.float64)
    label = _TIME_LABELS.get(str(variable["time"].attrs.get("long_name", "")), "flow time $t$")
    _variable(tree, "rule")
    rule_of_trajectory = series_labels(group(tree, "trajectory"))
    early = _ended_early(tree, len(rule_of_trajectory))
    return [
        RuleCurves(rule, times, values[chosen], early[chosen], label)
        for rule in _series_of(tree)
        for chosen in [rule_of_trajectory == rule]
    ]


def neuron_curves(results: Shown, name: str, layer: int) -> list[RuleCurves]:
    """Read one quantity of the group /neurons in one hidden layer, rule by rule.

    Returns
    -------
    list of RuleCurves
        One entry for each rule, whose values have a row for each neuron of each trajectory.
    """

    def read(tree: xr.DataTree) -> list[RuleCurves]:
        neurons = group(tree, "neurons")
        of_layer = neurons["layer"].values == layer
        return (
            _stacked(tree, neurons[name].isel(neuron=of_layer), "neuron") if of_layer.any() else []
        )

    return _joined(results, read)


def sample_curves(results: Shown, name: str) -> list[RuleCurves]:
    """Read one quantity of each sample, rule by rule; as `neuron_curves`."""
    return _joined(results, lambda tree: _stacked(tree, group(tree, "trajectory")[name], "sample"))


def _stacked(tree: xr.DataTree, variable: xr.DataArray, dim: str) -> list[RuleCurves]:
    """Return curves of all entries along a dimension, those of a rule together."""
    stacked = variable.transpose("trajectory", dim, "time").values.astype(np.float64)
    values = np.where(np.isfinite(stacked), stacked, np.nan)
    width, times = values.shape[1], variable["time"].values.astype(np.float64)
    by_rule = []
    for curves in _curves_of(tree, "loss", None):
        chosen = series_labels(group(tree, "trajectory")) == curves.rule
        rows = values[chosen].reshape(-1, len(times))
        early = curves.ended_early.repeat(width)
        by_rule.append(RuleCurves(curves.rule, times, rows, early, curves.time_label))
    return by_rule


def neuron_layers(results: Shown) -> list[int]:
    """Return the hidden layers of results."""
    return sorted(
        {
            int(layer)
            for _, tree in parts_of(results)
            for layer in group(tree, "neurons")["layer"].values
        }
    )


def layers_with(results: Shown, name: str) -> list[int]:
    """Return the layers l in which a per-layer quantity was recorded for any trajectory."""
    layers: set[int] = set()
    for _, tree in parts_of(results):
        variable = _variable(tree, name)
        values = variable.transpose("layer", "trajectory", "time").values
        recorded = np.isfinite(values).any(axis=(1, 2))
        layers |= {int(layer) for layer in variable["layer"].values[recorded]}
    return sorted(layers)


def is_constant(curves: Sequence[RuleCurves]) -> bool:
    """Return whether no curve moves by more than rounding, so that a panel would show nothing.

    Curves without any value count as constant; there must be some with values.
    """
    recorded = [series.values for series in curves if series.recorded]
    if not recorded:
        return False
    spans = [np.nanmax(values) - np.nanmin(values) for values in recorded]
    sizes = [np.nanmax(np.abs(values)) for values in recorded]
    return all(span <= CONSTANT * size for span, size in zip(spans, sizes, strict=True))


def are_ranked(curves: Sequence[RuleCurves], ranks: int) -> bool:
    """Return whether the values of each trajectory are ordered by size at all times.

    Parameters
    ----------
    curves : sequence of RuleCurves
        Each with `ranks` rows for each trajectory.
    ranks : int
    """
    for series in curves:
        values = series.values.reshape(-1, ranks, len(series.times))
        rises = np.diff(values, axis=1) > 1e-9 * np.abs(values[:, 1:])
        if rises.any():
            return False
    return any(series.recorded for series in curves)


def is_log_spaced(times: np.ndarray) -> bool:
    """Return whether positive save times grow by a constant factor rather than a constant step.

    Parameters
    ----------
    times : numpy.ndarray
        (time,), increasing; a first time of zero is passed over.
    """
    positive = times[times > 0]
    if len(positive) < 3:
        return False
    steps, factors = np.diff(positive), np.diff(np.log(positive))
    return bool(np.std(factors) / np.mean(factors) < np.std(steps) / np.mean(steps))


def _variable(tree: xr.DataTree, name: str) -> xr.DataArray:
    """Return a variable or coordinate of /trajectory."""
    trajectory = group(tree, "trajectory")
    if name not in trajectory.variables:
        raise InputError(f"these records have no {name!r} in /trajectory: nothing to draw")
    return trajectory[name]


def _ended_early(tree: xr.DataTree, trajectories: int) -> np.ndarray:
    """Return which trajectories the solver gave up, (trajectory,) of bool."""
    if "solver" not in tree.children:
        return np.zeros(trajectories, dtype=bool)
    status = group(tree, "solver")["status"].values.astype(str)
    return ~np.isin(status, _STILL_GOOD)

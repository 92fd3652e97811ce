"""Refusing a result that lacks a part which checks need, or whose parts do not fit together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from xarray import DataTree

from flowfa.errors import InputError
from flowfa.problems.rules import RULES
from flowfa.records.names import MOVING, ROW, ROW_LAYER


def check_soundness(tree: DataTree, configuration: dict[str, Any], label: str) -> None:
    """Refuse a result in which something is missing, or does not fit the rest.

    Parameters
    ----------
    tree : xarray.DataTree
    configuration : dict
        The configuration as stored.
    label : str
        Where it came from.

    Raises
    ------
    InputError
        Naming the first part that is not as it should be.
    """
    for path, wanted in _shapes(tree, configuration, label):
        shape = _values(tree, path, label).shape
        if shape != wanted:
            raise _damaged(label, f"{path} has shape {shape}, expected {wanted}")
    times = _values(tree, "/trajectory/time", label)
    if times[0] != 0.0 or not (np.diff(times) > 0.0).all():
        raise _damaged(label, "/trajectory/time does not increase from 0")
    if not _discrete(tree) and times[-1] != configuration["t_end"]:
        raise _damaged(
            label,
            f"/trajectory/time ends at {float(times[-1])!r} and not at {configuration['t_end']!r}",
        )
    if not np.isfinite(_values(tree, "/solver/t_reached", label)).all():
        raise _damaged(label, "/solver/t_reached holds what is not a number")
    _check_snapshots(tree, times, label)
    rows = len(_values(tree, "/trajectory/rule", label))
    rules = np.repeat(configuration["rule"], rows // len(configuration["rule"]))
    if (_values(tree, "/trajectory/rule", label).astype(str) != rules).any():
        raise _damaged(label, "/trajectory/rule are not the rules of its configuration")
    if _discrete(tree):
        _check_steps(tree, label)


def _check_snapshots(tree: DataTree, times: np.ndarray, label: str) -> None:
    """Refuse weights that belong to no time of the run, since nothing can be compared with them."""
    when = _values(tree, "/weights/snapshot_time", label)
    reached = _values(tree, "/solver/t_reached", label)
    times_of_run = (
        _values(tree, "/trajectory/training_time", label) if _discrete(tree) else times[None]
    )
    known = np.concatenate(
        [np.broadcast_to(times_of_run, (len(when), times_of_run.shape[1])), reached[:, None]], 1
    )
    placed = (when[:, :, None] == known[:, None]).any(2) | np.isnan(when)
    # A trajectory that reached the end must have all its snapshots.
    complete = np.isfinite(when).all(1) | (reached < known[:, -2])
    if not (placed.all() and complete.all() and (when[:, 0] == 0.0).all()):
        raise _damaged(label, "/weights/snapshot_time are not times of the run")


def _check_steps(tree: DataTree, label: str) -> None:
    """Refuse saves at steps that were not taken: nothing could be compared at them."""
    steps = _values(tree, "/trajectory/step", label)
    done = _values(tree, "/solver/steps", label)
    ended = _values(tree, "/solver/status", label).astype(str) == "ok"
    rising = (steps[:, 0] == 0).all() and (np.diff(steps) >= 0).all() and (done >= 0).all()
    if not (rising and (steps[:, -1] == done)[ended].all()):
        raise _damaged(label, "/trajectory/step and /solver/steps are not of one training")
    if not int(tree.attrs["threads"]) >= 1:
        raise _damaged(label, f"the attribute threads is {tree.attrs['threads']}")


def _discrete(tree: DataTree) -> bool:
    return "training_time" in tree.children["trajectory"].to_dataset()


def _shapes(
    tree: DataTree, configuration: dict[str, Any], label: str
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Return the shape that each part has if it fits the others."""
    times = _values(tree, "/trajectory/time", label)
    reached = _values(tree, "/weights/snapshot_time", label)
    if times.ndim != 1 or len(times) < 2:
        raise _damaged(label, f"/trajectory/time has shape {times.shape}")
    if reached.ndim != 2:
        raise _damaged(label, f"/weights/snapshot_time has shape {reached.shape}")
    rows, snapshots = reached.shape
    if not isinstance(configuration["rule"], list) or not configuration["rule"]:
        raise _damaged(label, "its configuration has no list of rules")
    if rows % len(configuration["rule"]):
        raise _damaged(label, f"{rows} trajectories are not as many of each rule")
    for name in ("status", "t_reached"):
        yield f"/solver/{name}", (rows,)
    yield "/trajectory/rule", (rows,)
    for name in (*ROW, *(("step", "training_time") if _discrete(tree) else ())):
        yield f"/trajectory/{name}", (rows, len(times))
    weights = tree["weights"].to_dataset()
    layers = sum(str(name).startswith("W") for name in weights.data_vars)
    sizes = list(_values(tree, "/data/X", label).shape[-1:])
    for layer in range(1, layers + 1):
        shape = _values(tree, f"/weights/W{layer}", label).shape
        if len(shape) != 4:
            raise _damaged(label, f"/weights/W{layer} has shape {shape}")
        sizes.append(shape[2])
        yield f"/weights/W{layer}", (rows, snapshots, sizes[-1], sizes[-2])
        if f"c{layer}" in weights:
            yield f"/weights/c{layer}", (rows, snapshots, sizes[-1])
    for name in ROW_LAYER:
        yield f"/trajectory/{name}", (rows, len(times), layers)
    yield "/neurons/conserved", (rows, len(times), sum(sizes[1:-1]))
    yield "/neurons/kappa", (rows, sum(sizes[1:-1]))
    for letter in {
        RULES.get(rule).keeps for rule in configuration["rule"] if rule in RULES.names()
    }:
        for layer in range(1, layers) if letter == "D" else range(2, layers + 1):
            dimensions = (
                (sizes[layer], sizes[-1]) if letter == "D" else tuple(sizes[layer - 1 : layer + 1])
            )
            if letter:
                yield f"/weights/{letter}{layer}", (rows, *dimensions)
            if f"{MOVING}{letter}{layer}" in weights:
                yield f"/weights/{MOVING}{letter}{layer}", (rows, snapshots, *dimensions)


def _values(tree: DataTree, path: str, label: str) -> np.ndarray:
    _, group, name = path.split("/")
    dataset = tree.children[group].to_dataset()
    if name not in dataset:
        raise _damaged(label, f"it has no {path}")
    return dataset[name].values


def _damaged(label: str, fault: str) -> InputError:
    return InputError(
        f"{label} is not as flowfa writes it ({fault}): make the run again, or use a copy"
    )

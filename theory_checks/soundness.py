"""Whether a result has all the parts that checks rest on, in the shapes that belong together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from xarray import DataTree

from flowfa.errors import InputError
from flowfa.problems.rules import RULES

OBSERVED = ("loss", "loss_rate")
"""Variables of /trajectory that checks read."""


def check_soundness(tree: DataTree, configuration: dict[str, Any], label: str) -> None:
    """Refuse a result in which something is missing, or does not fit the rest.

    Parameters
    ----------
    tree : xarray.DataTree
    configuration : dict
        As stored.
    label : str
        Where it came from.

    Raises
    ------
    InputError
        Naming the first part that is not as it should be.
    """
    for place, wanted in _shapes(tree, configuration, label):
        found = _values(tree, place, label).shape
        if found != wanted:
            raise _damaged(label, f"{place} has shape {found}, expected {wanted}")
    times = _values(tree, "/trajectory/time", label)
    if times[0] != 0.0 or not (np.diff(times) > 0.0).all():
        raise _damaged(label, "/trajectory/time does not increase from 0")
    if not np.isfinite(_values(tree, "/solver/t_reached", label)).all():
        raise _damaged(label, "/solver/t_reached holds what is not a number")


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
    if rows % len(configuration["rule"]):
        raise _damaged(label, f"{rows} trajectories are not as many of each rule")
    for name in ("status", "t_reached"):
        yield f"/solver/{name}", (rows,)
    yield "/trajectory/rule", (rows,)
    for name in OBSERVED:
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
    yield "/neurons/conserved", (rows, len(times), sum(sizes[1:-1]))
    for letter in {
        RULES.get(rule).keeps for rule in configuration["rule"] if rule in RULES.names()
    }:
        for layer in range(1, layers) if letter == "D" else range(2, layers + 1):
            ends = (
                (sizes[layer], sizes[-1]) if letter == "D" else tuple(sizes[layer - 1 : layer + 1])
            )
            if letter:
                yield f"/weights/{letter}{layer}", (rows, *ends)


def _values(tree: DataTree, place: str, label: str) -> np.ndarray:
    _, group, name = place.split("/")
    found = tree.children[group].to_dataset()
    if name not in found:
        raise _damaged(label, f"it has no {place}")
    return found[name].values


def _damaged(label: str, what: str) -> InputError:
    return InputError(
        f"{label} is not as flowfa writes it ({what}): make the run again, or use a copy"
    )

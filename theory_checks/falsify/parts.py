"""Taking parts out of a problem: a sample, a feature, a neuron, an output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from theory_checks.falsify.case import REACH, Case


def without_one_part(case: Case) -> Iterator[Case]:
    """Yield the problems with one sample, hidden neuron, feature or output less."""
    sizes = case.shape.sizes
    if case.shape.samples > 1:
        for sample in range(case.shape.samples):
            yield _without(case, "sample", sample)
    for layer, size in enumerate(sizes):
        # Two outputs are the fewest of several: with one the labels would be of another kind.
        if size > (2 if layer == len(sizes) - 1 else 1):
            for unit in range(size):
                yield _without(case, layer, unit)


def vector_of(case: Case) -> np.ndarray:
    """Return the point of the unit cube that a problem is made of; see `case_of`."""
    parts = [np.ravel(case[name]) / REACH[name[0]] for name in case.shape.names]
    return np.clip(np.concatenate(parts), -1.0, 1.0)


def _without(case: Case, axis: int | str, index: int) -> Case:
    """Return the case without one unit of a layer (0: a feature), or one sample."""
    sizes = list(case.shape.sizes)
    samples = case.shape.samples - (axis == "sample")
    if isinstance(axis, int):
        sizes[axis] -= 1
    arrays = {}
    for name, array in case.arrays.items():
        axes = _axes(name, case)
        arrays[name] = np.delete(array, index, axes.index(axis)) if axis in axes else array
    return Case(replace(case.shape, sizes=tuple(sizes), samples=samples), arrays)


def _axes(name: str, case: Case) -> tuple[int | str, ...]:
    """Return what the axes of an array run over: the units of a layer, or the samples."""
    last = len(case.shape.sizes) - 1
    if name == "X":
        return "sample", 0
    if name == "y":
        return ("sample", last)[: case["y"].ndim]
    layer = int(name[1:])
    kinds: dict[str, tuple[int | str, ...]] = {
        "W": (layer, layer - 1),
        "c": (layer,),
        "D": (layer, last),
    }
    return kinds.get(name[0], (layer - 1, layer))

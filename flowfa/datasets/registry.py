"""Data sets by name, and the same set for all trajectories or one for each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flowfa.datasets.dataset import Dataset
from flowfa.errors import InputError
from flowfa.registry import Registry

DATASETS: Registry[Callable[..., Dataset]] = Registry("data set")
"""Generators: functions of keyword arguments, ``seed`` among them, that return a `Dataset`."""


def make(name: str, *, seed: int, **options: Any) -> Dataset:
    """Make the data set called `name`.

    Parameters
    ----------
    name : str
        A name in `DATASETS`.
    seed : int
    **options
        Arguments of the generator; its defaults hold for the others.

    Raises
    ------
    InputError
        If the name is unknown, the data set has no such option, or the generator refuses.
    """
    generator = DATASETS.get(name)
    known = [option for option in inspect.signature(generator).parameters if option != "seed"]
    for option in options:
        if option not in known:
            takes = ", ".join(f"`{key}`" for key in known)
            raise InputError(f"the data set {name!r} has no option `{option}`: it takes {takes}")
    return generator(seed=seed, **options)


def per_trajectory(name: str, trajectories: int, *, seed: int, **options: Any) -> Dataset:
    """Make a data set of its own for each start.

    Parameters
    ----------
    name, seed, **options
        As for `make`.
    trajectories : int
        Number of starts. Start i has the same samples for any number of starts; start 0 has
        those of ``make(name, seed=seed)``.

    Returns
    -------
    Dataset
        With a leading trajectory dimension.
    """
    if trajectories < 1:
        raise InputError(f"`trajectories` is {trajectories}: expected at least 1")
    # Seeds a large odd stride apart cannot meet those of neighbouring runs.
    return stack([make(name, seed=seed + 1_000_003 * i, **options) for i in range(trajectories)])


def stack(sets: Sequence[Dataset]) -> Dataset:
    """Join data sets of equal shapes into one with a set for each start.

    Raises
    ------
    InputError
        If there are none, shapes differ, or one already differs by trajectory.
    """
    if not sets:
        raise InputError("there are no data sets to stack: give at least one")
    for data in sets:
        if data.differs_by_trajectory:
            raise InputError(f"{data.name} already has a set for each trajectory: stack plain sets")
        if data.X.shape != sets[0].X.shape or data.y.shape != sets[0].y.shape:
            raise InputError(
                f"data sets of shapes {sets[0].X.shape} and {data.X.shape} cannot be stacked: "
                "give all the same numbers of samples and features"
            )
    origin = {"stacked": [data.origin for data in sets]}
    X, y = np.stack([data.X for data in sets]), np.stack([data.y for data in sets])
    return Dataset(X, y, sets[0].name, origin, max(data.classes for data in sets))

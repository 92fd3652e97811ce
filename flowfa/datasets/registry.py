"""Data sets by name, and the same set for all trajectories or one for each."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from flowfa.datasets.dataset import UNNAMED, Dataset
from flowfa.errors import InputError
from flowfa.registry import Registry

DATASETS: Registry[Callable[..., Dataset]] = Registry("data set")
"""Generators: functions of keyword arguments, ``seed`` among them, that return a `Dataset`."""


AnyGenerator = TypeVar("AnyGenerator", bound=Callable[..., Dataset])


def dataset(name: str) -> Callable[[AnyGenerator], AnyGenerator]:
    """Register a generator under `name`, so that `make` and the setting `dataset` find it.

    A generator is a function of keyword arguments with defaults, an int ``seed`` among them,
    which draws everything from that seed and returns a `Dataset`.

    Raises
    ------
    InputError
        If the name is taken by something else, the function has no ``seed``, or an argument has
        no default.
    """

    def enter(generator: AnyGenerator) -> AnyGenerator:
        arguments = inspect.signature(generator).parameters
        if "seed" not in arguments:
            raise InputError(f"the data set {name!r} takes no `seed`: draw everything from a seed")
        for argument, parameter in arguments.items():
            if argument != "seed" and parameter.default is inspect.Parameter.empty:
                raise InputError(
                    f"the argument {argument!r} of the data set {name!r} has no default: give it "
                    "one, so that the name alone makes a data set"
                )
        return DATASETS.register(name)(generator)

    return enter


def make(name: str, *, seed: int = 0, **options: Any) -> Dataset:
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
        If the name is unknown, the data set has no such option, the generator refuses, or what
        it returns is no data set.
    """
    generator = DATASETS.get(name)
    accepted = [option for option in inspect.signature(generator).parameters if option != "seed"]
    for option in options:
        if option not in accepted:
            takes = ", ".join(f"`{key}`" for key in accepted)
            raise InputError(f"the data set {name!r} has no option `{option}`: it takes {takes}")
    data = generator(seed=seed, **options)
    if not isinstance(data, Dataset):
        raise InputError(
            f"the data set {name!r} returned {type(data).__name__}: expected a flowfa.Dataset"
        )
    # Records name the data set even if the generator gave its samples no name.
    return data if data.name != UNNAMED else dataclasses.replace(data, name=name)


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
    # A large odd stride keeps these seeds apart from those of runs with neighbouring seeds.
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
    classes = max(data.told_classes for data in sets)
    weights = None
    if any(data.sample_weights is not None for data in sets):
        weights = np.stack(
            [
                np.ones(data.samples) if data.sample_weights is None else data.sample_weights
                for data in sets
            ]
        )
    return Dataset(X, y, sets[0].name, origin, classes, weights)

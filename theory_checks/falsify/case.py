"""Small problems, which a search goes through, prints and saves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from flowfa.files.archives import write_npz
from flowfa.problems.rules import RULES

REACH = {"X": 2.0, "y": 2.0, "W": 2.0, "c": 1.0, "B": 2.0, "D": 2.0, "M": 2.0}
"""Largest entry of each kind of array that is searched."""
GRID = 7
"""Decimals of the numbers that are searched, in units of their reach."""


@dataclass(frozen=True)
class Shape:
    """Everything about a problem that is not a real number.

    Attributes
    ----------
    sizes : tuple of int
        n_0, ..., n_L.
    samples : int
        n.
    rule, loss : str
    leak : float
    biased : bool
        Whether hidden layers have biases.
    """

    sizes: tuple[int, ...]
    samples: int
    rule: str = "fa"
    loss: str = "exponential"
    leak: float = 0.5
    biased: bool = False

    @property
    def names(self) -> dict[str, tuple[int, ...]]:
        """The shape of each array of a problem, by name."""
        outputs, depth = self.sizes[-1], len(self.sizes) - 1
        shapes: dict[str, tuple[int, ...]] = {
            "X": (self.samples, self.sizes[0]),
            # Labels -1/+1 of one output, real targets of several.
            "y": (self.samples,) if outputs == 1 else (self.samples, outputs),
        }
        pairs = list(zip(self.sizes[:-1], self.sizes[1:], strict=True))
        for layer, (before, after) in enumerate(pairs, start=1):
            shapes[f"W{layer}"] = (after, before)
            if self.biased and layer < depth:
                shapes[f"c{layer}"] = (after,)
        rule = RULES.get(self.rule)
        # The letter of the matrices that the rule keeps and that a file may give.
        kind = rule.keeps if rule.accepts_feedback else ""
        for layer in range(2, depth + 1) if kind else ():
            if kind == "D":
                shapes[f"D{layer - 1}"] = (self.sizes[layer - 1], outputs)
            else:
                shapes[f"{kind}{layer}"] = (self.sizes[layer - 1], self.sizes[layer])
        return shapes

    @property
    def numbers(self) -> int:
        """How many real numbers a problem of this shape has."""
        return sum(int(np.prod(shape)) for shape in self.names.values())


@dataclass(frozen=True)
class Case:
    """One problem: data, weights and feedback at time 0.

    Attributes
    ----------
    shape : Shape
    arrays : dict of numpy.ndarray
        X (sample, feature), y, W1, ..., without a trajectory dimension, as in flowfa's files.
    """

    shape: Shape
    arrays: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        """Return an array by name."""
        return self.arrays[name]

    def changed(self, name: str, values: np.ndarray) -> Case:
        """Return the case with one array replaced."""
        return replace(self, arrays=self.arrays | {name: values})

    @property
    def start(self) -> dict[str, np.ndarray]:
        """The arrays of an initial state."""
        return {name: array for name, array in self.arrays.items() if name not in ("X", "y")}

    def lines(self) -> list[str]:
        """Return Python code that makes the arrays, exactly."""
        return [f"{name} = np.array({array.tolist()!r})" for name, array in self.arrays.items()]

    def save(self, path: Path, overwrite: bool) -> None:
        """Write an ``.npz`` file that flowfa simulate takes as --dataset and as --init.

        Raises
        ------
        InputError
            If there is something at `path` and `overwrite` is False, or it cannot be written.
        """
        write_npz(path, dict(self.arrays), overwrite)


def case_of(shape: Shape, vector: np.ndarray) -> Case:
    """Return the problem that a point of the unit cube stands for.

    Parameters
    ----------
    shape : Shape
    vector : numpy.ndarray
        Numbers in [-1, 1], (`shape.numbers`,).
    """
    arrays, position = {}, 0
    for name, dimensions in shape.names.items():
        size = int(np.prod(dimensions))
        entries = np.asarray(vector[position : position + size]).reshape(dimensions)
        # Rounding leaves no tiny number but zero; adding zero removes the sign of -0.
        values = REACH[name[0]] * np.round(entries, GRID) + 0.0
        position += size
        if name == "y" and shape.sizes[-1] == 1:
            values = np.where(values < 0.0, -1.0, 1.0)
        arrays[name] = np.abs(values) if name[0] == "M" else values
    return Case(shape, arrays)

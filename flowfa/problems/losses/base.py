"""What a loss has to offer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import numpy as np
from torch import Tensor

from flowfa.datasets.dataset import Dataset, LabelKind
from flowfa.documents.display import fact_table
from flowfa.errors import InputError
from flowfa.problems.parameters import constructor_arguments, constructor_text
from flowfa.registry import Registry


class Loss(ABC):
    """A loss of one sample, l(f, y); the training loss is its mean over samples (docs/theory).

    Arrays put samples last: outputs f are (trajectory, output, sample), and encoded labels are
    (output, sample) or (trajectory, output, sample).

    To add one, write one class with the four methods and register it::

        @flowfa.loss("hinge")
        class Hinge(flowfa.Loss): ...

    Attributes
    ----------
    name : str
        The name it is registered under; set by the decorator.
    label_kinds : tuple of str
        The kinds of label it accepts; the first is the one it is made for.
    infimum : float
        The infimum of l(f, y) over f, Loss* of T-1 where the network can approach it.
    """

    name: ClassVar[str] = ""
    label_kinds: ClassVar[tuple[LabelKind, ...]]
    infimum: ClassVar[float] = 0.0

    @abstractmethod
    def encode(self, data: Dataset) -> np.ndarray:
        """Return the labels as the other methods want them, (..., output, sample)."""

    @abstractmethod
    def value(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each sample, (trajectory, sample)."""

    @abstractmethod
    def derivative(self, output: Tensor, target: Tensor) -> Tensor:
        """Return delta_L = dl/df, (trajectory, output, sample)."""

    @abstractmethod
    def correct(self, output: Tensor, target: Tensor) -> Tensor | None:
        """Return which samples are classified rightly, (trajectory, sample); None: no classes."""

    def parameters(self) -> dict[str, Any]:
        """Return the arguments of the constructor, by name, as plain values.

        A run records them, and the checks construct the loss from them again, as they do a `Rule`.

        Raises
        ------
        InputError
            If the constructor takes an argument of whose name there is no attribute.
        """
        return constructor_arguments(self)

    def __repr__(self) -> str:
        """Return the call that constructs the loss."""
        return constructor_text(self)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        labels = ", ".join(self.label_kinds)
        facts = {"name": self.name, "labels": labels, "infimum": f"{self.infimum:g}"}
        return fact_table(repr(self), facts)


LOSSES: Registry[type[Loss]] = Registry("loss")

AnyLoss = TypeVar("AnyLoss", bound=Loss)


def loss(name: str) -> Callable[[type[AnyLoss]], type[AnyLoss]]:
    """Register a `Loss` under `name`, so that ``Problem(loss=name)`` finds it.

    Raises
    ------
    InputError
        If the name is taken by another class.
    """
    return LOSSES.named(name)


def check_labels(loss: Loss, data: Dataset) -> None:
    """Refuse labels that do not fit `loss`.

    Raises
    ------
    InputError
        With what the labels are, and which losses take such labels.
    """
    if data.label_kind in loss.label_kinds:
        return
    titles = {
        "binary": "-1 and +1",
        "classes": "class numbers 0..K-1",
        "targets": "real targets of shape (sample, output)",
    }
    accepted = " or ".join(titles[kind] for kind in loss.label_kinds)
    fitting = [n for n in sorted(LOSSES.names()) if data.label_kind in LOSSES.get(n).label_kinds]
    raise InputError(
        f"the {loss.name} loss needs labels that are {accepted}, but the labels of {data.name} are "
        f"{titles[data.label_kind]}: recode y, or use "
        + " or ".join(f'`loss="{name}"`' for name in fitting)
    )


def binary_targets(data: Dataset) -> np.ndarray:
    """Return -1/+1 labels as (..., 1, sample)."""
    return data.y[..., None, :]


def one_hot(data: Dataset) -> np.ndarray:
    """Return class numbers as indicator columns, (..., K, sample)."""
    numbers = np.arange(data.classes, dtype=np.float64)
    return (data.y[..., None, :] == numbers[:, None]).astype(np.float64)

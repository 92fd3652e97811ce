"""What a random start has to offer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import numpy as np

from flowfa.documents.display import fact_table
from flowfa.problems.parameters import constructor_arguments, constructor_text
from flowfa.registry import Registry


class RandomStart(ABC):
    """The law that initial weights and random feedback are drawn from; biases start at zero.

    To add one, write one class with the two methods and register it::

        @flowfa.start("orthogonal")
        class OrthogonalStart(flowfa.RandomStart): ...

    Attributes
    ----------
    name : str
        The name it is registered under; set by the decorator.
    """

    name: ClassVar[str] = ""

    @abstractmethod
    def draw_weights(
        self, sizes: tuple[int, ...], generator: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Return W_1, ..., W_L of one trajectory.

        Parameters
        ----------
        sizes : tuple of int
            n_0, ..., n_L.
        generator : numpy.random.Generator
            The stream of this trajectory.

        Returns
        -------
        tuple of numpy.ndarray
            W_l of shape (n_l, n_{l-1}).
        """

    @abstractmethod
    def draw_feedback(
        self,
        kind: str,
        layer: int,
        shape: tuple[int, int],
        weights: tuple[np.ndarray, ...],
        generator: np.random.Generator,
    ) -> np.ndarray:
        """Return one feedback matrix (see `flowfa.problems.rules.FeedbackDraw`) of `shape`."""

    def layer_rates(self, sizes: tuple[int, ...]) -> tuple[float, ...]:
        """Return the rate eta_l of each layer that belongs to this start; most have 1 for all.

        Parameters
        ----------
        sizes : tuple of int
            n_0, ..., n_L.
        """
        return (1.0,) * (len(sizes) - 1)

    def parameters(self) -> dict[str, Any]:
        """Return the arguments of the constructor, by name, as plain values.

        As with a `Rule`, a start that keeps its arguments under other names returns here what it
        was constructed with.

        Raises
        ------
        InputError
            If the constructor takes an argument of whose name there is no attribute.
        """
        return constructor_arguments(self)

    def __repr__(self) -> str:
        """Return the call that constructs the start."""
        return constructor_text(self)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        facts = {"name": self.name, "draws": (self.__doc__ or "").partition("\n")[0]}
        return fact_table(repr(self), facts)


STARTS: Registry[type[RandomStart]] = Registry("start")

AnyStart = TypeVar("AnyStart", bound=RandomStart)


def start(name: str) -> Callable[[type[AnyStart]], type[AnyStart]]:
    """Register a `RandomStart` under `name`, so that ``Problem(initial=name)`` finds it.

    Raises
    ------
    InputError
        If the name is taken by another class.
    """
    return STARTS.named(name)

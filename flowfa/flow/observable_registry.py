"""Observables by name: functions of the measured state that a run records when asked to."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import torch
from torch import Tensor

from flowfa.errors import InputError
from flowfa.flow.measured import MeasuredState
from flowfa.registry import Registry

Per = Literal["trajectory", "layer", "neuron"]

Function = Callable[[MeasuredState], Tensor]


@dataclass(frozen=True)
class Observable:
    """A number that is measured of each trajectory, layer or hidden neuron.

    Attributes
    ----------
    name : str
    function : callable
        From a `MeasuredState` to (row,), (row, layer) or (row, hidden neuron), float; NaN where
        there is no such number. Rows must not depend on each other.
    per : {"trajectory", "layer", "neuron"}
        Layers are those of the weights, 1 to L; neurons are hidden ones, layer by layer.
    unit : str
        ``"1"`` for a pure number, ``""`` where it has that of the user's data.
    title : str
        What it is, for records and figures.
    """

    name: str
    function: Function
    per: Per
    unit: str
    title: str

    @property
    def attributes(self) -> dict[str, str]:
        """What a record says of it: title, unit, and the function that it came from."""
        source = f"{self.function.__module__}.{self.function.__qualname__}"
        described = {"long_name": self.title, "source": source}
        return described | {"units": self.unit} if self.unit else described

    def measure(self, measured: MeasuredState) -> Tensor:
        """Return its values at a state, checked.

        Raises
        ------
        InputError
            If the function returns something else than a real tensor of the right shape.
        """
        values = self.function(measured)
        layout, rows = measured.field.layout, len(measured.state)
        shapes = {"trajectory": (), "layer": (layout.layers,), "neuron": (layout.hidden_neurons,)}
        expected = (rows, *shapes[self.per])
        if not isinstance(values, Tensor) or values.is_complex():
            raise InputError(
                f"the observable {self.name!r} returned {type(values).__name__}: expected a real "
                f"tensor of shape {expected}"
            )
        if tuple(values.shape) != expected:
            raise InputError(
                f"the observable {self.name!r} returned the shape {tuple(values.shape)}: expected "
                f"{expected}, one value for each {self.per}"
            )
        return values.detach().to(measured.state.dtype)


OBSERVABLES: Registry[Observable] = Registry("observable")

AnyFunction = TypeVar("AnyFunction", bound=Function)


def observable(
    name: str, *, unit: str = "", per: Per = "trajectory", title: str | None = None
) -> Callable[[AnyFunction], AnyFunction]:
    """Register a function of a `MeasuredState` under `name`.

    Afterwards ``simulate(..., observe=(name,))`` and ``train(..., observe=(name,))`` record it:
    in /neurons if it is `per` neuron, else in /trajectory.

    Parameters
    ----------
    name : str
        Letters, digits, ``-`` and ``_``, a letter first.
    unit, per
        As `Observable`.
    title : str, optional
        By default the first line of the function's docstring, without its ``Return``.

    Raises
    ------
    InputError
        If the name is taken or cannot be that of a variable, or `per` is unknown.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
        raise InputError(
            f"an observable cannot be called {name!r}: use letters, digits, - and _, a letter first"
        )
    if per not in get_args(Per):
        raise InputError(f"`per` is {per!r}: expected one of {', '.join(get_args(Per))}")

    def enter(function: AnyFunction) -> AnyFunction:
        line = (function.__doc__ or name).strip().splitlines()[0]
        words = line.removeprefix("Return ").rstrip(".") if title is None else title
        OBSERVABLES.register(name)(Observable(name, function, per, unit, words))
        return function

    return enter


def observables_of(names: Sequence[str]) -> tuple[Observable, ...]:
    """Return the observables of these names.

    Raises
    ------
    InputError
        If a name is unknown, given twice, or the names are one string.
    """
    if isinstance(names, str):
        raise InputError(f"`observe` is {names!r}: expected a tuple of names, ({names!r},)")
    for name in names:
        if list(names).count(name) > 1:
            raise InputError(f"`observe` has {name!r} twice: name each observable once")
    return tuple(OBSERVABLES.get(name) for name in names)


def not_applicable(measured: MeasuredState) -> Tensor:
    """Return NaN for each row, for an observable that does not apply."""
    return torch.full_like(measured.state[:, 0], torch.nan)

"""Observables by name: functions of the measured state that a run records when asked to."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import torch
from torch import Tensor

from flowfa.errors import InputError
from flowfa.flow.measured import MeasuredState
from flowfa.registry import Registry

Per = Literal["trajectory", "layer", "neuron", "sample"]

Function = Callable[[MeasuredState], Tensor]


@dataclass(frozen=True)
class Observable:
    """A number that is measured of each trajectory, layer, hidden neuron or sample.

    Attributes
    ----------
    name : str
    function : callable
        From a `MeasuredState` to (row,), (row, layer), (row, hidden neuron) or (row, sample),
        float; NaN where there is no such number. Rows must not depend on each other.
    per : {"trajectory", "layer", "neuron", "sample"}
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
        module = getattr(self.function, "__module__", type(self.function).__module__)
        name = getattr(self.function, "__qualname__", type(self.function).__qualname__)
        source = f"{module}.{name}"
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
        shapes = {
            "trajectory": (),
            "layer": (layout.layers,),
            "neuron": (layout.hidden_neurons,),
            "sample": (measured.field.samples,),
        }
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
    _checked(name)
    if per not in get_args(Per):
        raise InputError(f"`per` is {per!r}: expected one of {', '.join(get_args(Per))}")

    def enter(function: AnyFunction) -> AnyFunction:
        words = _title(name, function) if title is None else title
        OBSERVABLES.register(name)(Observable(name, function, per, unit, words))
        return function

    return enter


def observables_of(
    names: Sequence[str] | Mapping[str, Function | Observable],
) -> tuple[Observable, ...]:
    """Return the observables of these names.

    Parameters
    ----------
    names : sequence of str, or mapping
        Of registered ones; or functions by name, of a `MeasuredState` to a number for each row, or
        what `OBSERVABLES` gives.

    Raises
    ------
    InputError
        If a name is unknown, given twice, or the names are one string.
    """
    if isinstance(names, str):
        raise InputError(f"`observe` is {names!r}: expected a tuple of names, ({names!r},)")
    if isinstance(names, Mapping):
        return tuple(_named(name, function) for name, function in names.items())
    for name in names:
        if list(names).count(name) > 1:
            raise InputError(f"`observe` has {name!r} twice: name each observable once")
    return tuple(OBSERVABLES.get(name) for name in names)


def _named(name: str, function: Function | Observable) -> Observable:
    """Return an observable that is not registered, under a name that a variable can have."""
    if isinstance(function, Observable):
        return dataclasses.replace(function, name=_checked(name))
    if not callable(function):
        raise InputError(
            f"`observe` has {function!r} for {name!r}: expected a function of the measured state"
        )
    return Observable(_checked(name), function, "trajectory", "", _title(name, function))


def _checked(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
        raise InputError(
            f"an observable cannot be called {name!r}: use letters, digits, - and _, a letter first"
        )
    return name


def _title(name: str, function: Function) -> str:
    """Return the first line of a function's docstring, without its ``Return``."""
    line = (function.__doc__ or name).strip().splitlines()[0]
    return line.removeprefix("Return ").rstrip(".")


def not_applicable(measured: MeasuredState) -> Tensor:
    """Return NaN for each row, for an observable that does not apply."""
    return torch.full_like(measured.state[:, 0], torch.nan)

"""What a rule or a loss was constructed with: recorded with a run, and given back to its class."""

from __future__ import annotations

import inspect
import json
import math
from typing import Any, Protocol, TypeVar

from flowfa.errors import InputError

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Parametrised(Protocol):
    """An object that says what its constructor took."""

    def parameters(self) -> dict[str, Any]:
        """Return the arguments of the constructor, by name."""
        ...


Component = TypeVar("Component", bound=Parametrised)


def constructor_arguments(component: object) -> dict[str, Any]:
    """Return the attributes that have the names of the constructor's arguments.

    If the constructor takes any argument (``*args`` or ``**kwargs``), return all public attributes.

    Raises
    ------
    InputError
        If there is no attribute of an argument's name. Then the class has to return by its method
        ``parameters`` what its constructor took.
    """
    cls = type(component)
    arguments = inspect.signature(cls).parameters
    if any(argument.kind in _VARIADIC for argument in arguments.values()):
        return {name: value for name, value in vars(component).items() if not name.startswith("_")}
    for name in arguments:
        if not hasattr(component, name):
            raise InputError(
                f"the constructor of {cls.__name__} takes {name!r}, but keeps no attribute of that "
                f"name, so that no run could record it: set self.{name}, or define parameters() "
                "so that it returns what the constructor takes"
            )
    return {name: getattr(component, name) for name in arguments}


def nonnegative(parameter: str, value: object, owner: str) -> float:
    """Return a number after checking that it is finite and at least 0.

    Parameters
    ----------
    parameter : str
        Its name.
    value : object
    owner : str
        What it is a parameter of, for the message.

    Raises
    ------
    InputError
        If it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise InputError(
            f"the {parameter} of {owner} is {value!r}: expected a number of at least 0"
        )
    return float(value)


def constructor_text(component: Parametrised) -> str:
    """Return the call that constructs an object again, such as ``"NormalStart(scale=0.1)"``.

    An object whose class does not say its parameters shows the name of the class and dots.
    """
    try:
        arguments = [f"{name}={value!r}" for name, value in component.parameters().items()]
    except InputError:
        arguments = ["..."]
    return f"{type(component).__name__}({', '.join(arguments)})"


def recorded(component: Parametrised) -> dict[str, Any]:
    """Return the parameters as a file gives them back: tuples are lists.

    Raises
    ------
    InputError
        If one is no plain value: a number, a text, a truth value, None, or lists and
        dictionaries of these.
    """
    parameters = component.parameters()
    try:
        return json.loads(json.dumps(parameters))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{type(component).__name__} has parameters that no file can hold ({error}): let "
            "parameters() return numbers, texts, and lists or dictionaries of these"
        ) from None


def rebuilt(cls: type[Component], parameters: dict[str, Any], source: str) -> Component:
    """Return the object that a run was made with, constructed again.

    Parameters
    ----------
    cls : type
        Its class, as it is registered now.
    parameters : dict
        What `recorded` returned then.
    source : str
        The run that recorded them, for messages.

    Raises
    ------
    InputError
        If the constructor refuses them, or makes something else of them.
    """
    arguments = ", ".join(f"{name}={value!r}" for name, value in parameters.items()) or "nothing"
    try:
        component = cls(**parameters)
    except (TypeError, ValueError, InputError) as error:
        raise InputError(
            f"{cls.__name__}{inspect.signature(cls)} cannot be constructed from what {source} "
            f"recorded of it, {arguments} ({error}): let its parameters() return what its "
            "constructor takes, and make the run again; or register the class that the run was "
            "made with"
        ) from error
    returned = recorded(component)
    if json.dumps(returned, sort_keys=True) != json.dumps(parameters, sort_keys=True):
        raise InputError(
            f"{cls.__name__} constructed from what {source} recorded of it, {arguments}, has the "
            f"parameters {returned}: let its parameters() return what its constructor takes, and "
            "make the run again"
        )
    return component

"""Activations in the configuration of a run, written and read back."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from flowfa.errors import InputError
from flowfa.problems.activations.base import ACTIVATIONS, Activation

OWN_KEYS = ("leak", "smooth_kinks")
"""Parameters of the (leaky) ReLU, which have keys of their own in the configuration."""


def describe_activation(activation: Activation) -> dict[str, Any]:
    """Return what a configuration says of an activation, JSON-ready.

    Returns
    -------
    dict
        ``activation`` (its name), ``leak`` and ``smooth_kinks`` (None where it has none), and
        ``activation_parameters``, all others that its constructor takes.

    Raises
    ------
    InputError
        If a parameter of the constructor is no attribute.
    """
    missing = [key for key in _takes(type(activation)) if not hasattr(activation, key)]
    if missing:
        raise InputError(
            f"the activation {activation.name!r} has no attribute {missing[0]!r}, which its "
            "constructor takes: keep each parameter in a public attribute of the same name"
        )
    parameters = {key: getattr(activation, key) for key in _takes(type(activation))}
    return {
        "leak": activation.leak,
        "smooth_kinks": parameters.get("smooth_kinks"),
        "activation": activation.name,
        "activation_parameters": {k: v for k, v in parameters.items() if k not in OWN_KEYS},
    }


def stored_activation(configuration: Mapping[str, Any]) -> Activation:
    """Return the activation of a run from its configuration.

    Parameters
    ----------
    configuration : mapping
        As stored with a run. One without the key ``activation`` is of a (leaky) ReLU.

    Raises
    ------
    InputError
        If no activation of the name is registered, or its constructor does not take what is
        stored.
    """
    name = configuration.get("activation")
    if name is None:
        smooth = configuration.get("smooth_kinks") is not None
        name = "smoothed-leaky-relu" if smooth else "leaky-relu"
    if name not in ACTIVATIONS.names():
        raise InputError(
            f"the activation {name!r} is not registered here (known: "
            f"{', '.join(ACTIVATIONS.names())}): register it with @flowfa.activation({name!r})"
        )
    cls = ACTIVATIONS.get(name)
    accepted = _takes(cls)
    arguments = dict(configuration.get("activation_parameters", {}))
    arguments |= {key: configuration[key] for key in OWN_KEYS if key in accepted}
    if arguments.keys() != set(accepted):
        raise InputError(
            f"the activation {name!r} was stored with the parameters "
            f"{', '.join(arguments) or 'none'}, but its constructor takes "
            f"{', '.join(accepted) or 'none'}: check it with the class that it was made with"
        )
    return cls(**arguments)


def _takes(cls: type[Activation]) -> tuple[str, ...]:
    """Return the names of a constructor's parameters."""
    return tuple(inspect.signature(cls).parameters)

"""What the settings of a sweep name, looked up when its file is read and not in each cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flowfa.flow.observables  # noqa: F401 - registers the observables of flowfa
from flowfa.errors import InputError
from flowfa.flow.observable_registry import OBSERVABLES
from flowfa.problems.activations import ACTIVATIONS
from flowfa.problems.losses import LOSSES
from flowfa.problems.rules import RULES
from flowfa.registry import Registry, unknown_name
from flowfa.solvers.registry import is_registered, solver_names
from flowfa.sweeps.inputs import MAY_BE_FILES, names_file
from flowfa.training.schedule import Schedule

_NAMED: dict[str, Registry[Any]] = {
    **{"rule": RULES, "loss": LOSSES, "activation": ACTIVATIONS, "observe": OBSERVABLES},
    **MAY_BE_FILES,
}
"""Settings whose values are names of registered things."""


def look_up(name: str, value: str) -> None:
    """Refuse a word in a setting that names something, if there is no such thing.

    Parameters
    ----------
    name : str
        The setting, by field.
    value : str
        A word of it.

    Raises
    ------
    InputError
        With the names that there are; or that there is no such file.
    """
    if names_file(name, value):
        if not Path(value).is_file():
            raise InputError(
                f"there is no file {value}: correct its name, which counts from the folder that "
                "flowfa is called in"
            )
    elif name in _NAMED:
        _NAMED[name].get(value)
    elif name == "solver" and value not in solver_names() and not is_registered(value):
        raise unknown_name("solver", value, (*solver_names(), "torchdiffeq:dopri5"))
    elif name == "schedule":
        Schedule.parse(value)


def known(name: str) -> tuple[str, ...]:
    """Return the names that a setting may have; none where it names nothing."""
    return _NAMED[name].names() if name in _NAMED else ()

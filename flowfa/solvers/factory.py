"""What makes solvers: the registry of their factories, and the settings that a factory gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from flowfa.errors import InputError
from flowfa.registry import Registry
from flowfa.solvers.stepping.controller import Tolerance
from flowfa.solvers.stepping.integration import Solver


@dataclass(frozen=True)
class SolverSettings:
    """How accurate a solver is to be; each takes what concerns it and refuses the rest.

    Attributes
    ----------
    tolerance : Tolerance
        rtol and atol of adaptive solvers.
    step : float or None
        Of fixed-step solvers.
    control : {"pi", "i"}
        Step-size controller of adaptive solvers.
    max_steps : int
        Most trial steps of a trajectory.
    """

    tolerance: Tolerance
    step: float | None
    control: str
    max_steps: int

    def fixed_step(self, name: str) -> float:
        """Return the step that the solver `name` needs.

        Raises
        ------
        InputError
            If none was given.
        """
        if self.step is None:
            raise InputError(f"{name} is a fixed-step solver: give its step with `step=H`")
        return self.step

    def refuse_step(self, name: str) -> None:
        """Refuse a step that the adaptive solver `name` has no use for.

        Raises
        ------
        InputError
            If one was given.
        """
        if self.step is not None:
            raise InputError(f"{name} chooses its steps by `rtol`: leave out `step`")


SolverFactory = Callable[[SolverSettings], Solver]

SOLVERS: Registry[SolverFactory] = Registry("solver")
"""Factories by the name of the solver."""

FAMILIES: Registry[Callable[[str, SolverSettings], Solver]] = Registry("family of solvers")
"""Factories of solvers called ``FAMILY:METHOD``, which get the method's name too."""

AnyFactory = TypeVar("AnyFactory", bound=Callable[[SolverSettings], Any])


def solver(name: str) -> Callable[[AnyFactory], AnyFactory]:
    """Register what makes a solver, so that ``simulate(..., solver=name)`` finds it.

    What is decorated is called with a `SolverSettings` and returns an object with the methods of
    `flowfa.solvers.stepping.integration.Solver`: a function, or a class whose constructor takes
    the settings.

    Raises
    ------
    InputError
        If the name is taken by something else.
    """
    return SOLVERS.register(name)


def check_solver(candidate: object) -> Solver:
    """Return an object after checking that it has what every solver has.

    Raises
    ------
    InputError
        If it lacks something that every solver has.
    """
    if isinstance(candidate, type):
        raise InputError(
            f"`solver` is the class {candidate.__name__} and not an object of it: give "
            f"{candidate.__name__}(...), or the name of a solver"
        )
    lacking = [
        name for name in ("start", "advance") if not callable(getattr(candidate, name, None))
    ]
    if not isinstance(getattr(candidate, "name", None), str):
        lacking.insert(0, "name")
    if lacking:
        raise InputError(
            f"`solver` is {candidate!r}, which has no {lacking[0]!r}: give the name of a solver, "
            "or an object as flowfa.solvers.stepping.integration.Solver describes it"
        )
    return cast(Solver, candidate)

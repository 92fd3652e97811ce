"""The tolerance ladder: one flow integrated by ever finer rungs, to measure the error of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flowfa.errors import InputError
from flowfa.settings import FlowSettings
from flowfa.settings.flow import absolute_tolerance
from flowfa.solvers.choice import build_solver
from flowfa.solvers.event import EventSolver
from flowfa.solvers.hybrid import HybridSolver
from flowfa.solvers.stepping.integration import Solver

TOLERANCE_FACTOR = 10.0
STEP_FACTOR = 4.0
"""A fourth of the step makes the error of a first-order method four times smaller, which is enough
for the errors of two rungs to differ clearly."""
LEAST_STEPS = 2000
STEPS_FACTOR = 10
"""Factor from the steps of a run to those that its repetition may try, once more for each finer
rung."""


@dataclass(frozen=True)
class Rung:
    """A solver with its accuracy.

    Attributes
    ----------
    label : str
        For the reader: ``"bosh3, rtol 1e-05"``.
    make : callable
        Returns a fresh solver.
    closer : callable
        Returns the next finer rung; None if there can be none.
    of_any_field : callable or None
        Returns a rung of the same accuracy for fields that are no networks; None: this one is.
    """

    label: str
    make: Callable[[], Solver]
    closer: Callable[[], Rung | None] = lambda: None
    of_any_field: Callable[[], Rung] | None = None


def build_ladder(
    name: str,
    *,
    rungs: int,
    rtol: float,
    atol: float | None = None,
    step: float | None = None,
    control: str = FlowSettings.controller,
    max_steps: int = FlowSettings.max_steps,
    finer: str | None = None,
    taken: int | None = None,
    by_rule: Mapping[str, str] | None = None,
) -> tuple[tuple[Rung, ...], int]:
    """Return rungs from coarse to fine, and the index of the one of the requested accuracy.

    Parameters
    ----------
    name : str
        A solver that `flowfa.solvers.registry.make_solver` knows.
    rungs : int
        How many, at least 2: the requested accuracy, and finer ones by `TOLERANCE_FACTOR` in rtol
        and atol, or by `STEP_FACTOR` in the step. Where the solver can be no finer, the ladder goes
        down instead.
    rtol, atol, step, control, max_steps
        As `make_solver`.
    finer : str, optional
        The solver of all finer rungs, where another one than the run's own serves better.
    taken : int, optional
        Steps that the run tried. A rung may try many times as many and no more: a method of any
        order repeats a sound run in fewer, and a file whose start was changed could take for ever.
    by_rule : mapping, optional
        The solver of each rule, on all rungs, where rules had different ones.
    """
    atol = absolute_tolerance(rtol, atol)

    def most(level: int) -> int:
        if taken is None:
            return max_steps
        return min(max_steps, LEAST_STEPS + STEPS_FACTOR ** max(level + 1, 1) * taken)

    def rung(level: int, of_any_field: bool = False) -> Rung:
        scale = TOLERANCE_FACTOR**-level
        solver, own_step = name, None if step is None else step * STEP_FACTOR**-level
        rules = by_rule or {}
        if finer is not None and level > 0:
            solver, own_step = finer, None
        only_networks = bool(rules) or solver in (HybridSolver.name, EventSolver.name)
        if of_any_field and only_networks:
            # What `choose` takes where these solvers cannot treat a flow with kinks.
            solver, rules = "bosh3", {}

        def make() -> Solver:
            return build_solver(
                solver,
                rules,
                rtol=rtol * scale,
                atol=atol * scale,
                step=own_step,
                control=control,
                max_steps=most(level)
                if own_step is None
                else int(max_steps * STEP_FACTOR ** max(level, 0)),
            )

        def closer() -> Rung | None:
            finer = rung(level + 1, of_any_field)
            return finer if _possible(finer) else None

        accuracy = f"rtol {rtol * scale:.3g}" if own_step is None else f"step {own_step:.3g}"
        other = (lambda: rung(level, True)) if only_networks and not of_any_field else None
        return Rung(f"{solver}, {accuracy}", make, closer, other)

    rung(0).make()  # refuses settings that are impossible before anything is integrated
    finest = 0
    while finest < rungs - 1 and _possible(rung(finest + 1)):
        finest += 1
    levels = range(finest - rungs + 1, finest + 1)
    return tuple(rung(level) for level in levels), -levels[0]


def _possible(rung: Rung) -> bool:
    """Return whether a solver is able to be that accurate."""
    try:
        rung.make()
    except InputError:
        return False
    return True

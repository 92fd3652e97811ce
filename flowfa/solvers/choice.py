"""Which solver ``auto`` takes for a problem, and why."""

from __future__ import annotations

from dataclasses import dataclass

from flowfa.errors import InputError
from flowfa.problems.problem import Problem
from flowfa.solvers.event import EventSolver
from flowfa.solvers.hybrid import FINEST, HybridSolver, refusal


@dataclass(frozen=True)
class Choice:
    """A solver and the reason for it.

    Attributes
    ----------
    name : str
        As `flowfa.solvers.registry.make_solver` knows it.
    reason : str
        A clause that ``flowfa info`` shows.
    """

    name: str
    reason: str


def choose(
    asked: str,
    problem: Problem,
    *,
    rtol: float = 1e-4,
    device: str = "cpu",
    dtype: str = "float64",
) -> Choice:
    """Return the solver that `asked` denotes for a problem.

    With one hidden layer and kinks the hybrid solver took the least time for the same error at
    every tolerance, with or without sliding. Where it cannot be had, kinks make an error test
    fall to first order whatever the order of the method, so that the cheapest step wins: bosh3.
    Without kinks the highest order wins: dop853. Those measurements are in docs/benchmarks.md.
    Smoothed kinks are in between, and so is the order that wins: dopri5 (docs/solvers.md). Of
    other activations only their kinks count.

    Parameters
    ----------
    asked : str
        ``auto``, or a solver, which is returned as it is.
    problem : Problem
    rtol : float
    device, dtype : str

    Raises
    ------
    InputError
        If the hybrid or the event solver is asked for and cannot treat the problem.
    """
    hidden, activation = len(problem.sizes) - 2, problem.activation
    if asked in (HybridSolver.name, EventSolver.name):
        # The solver itself would refuse too, but only once the run has begun to write.
        why = refusal(asked, hidden, problem.rules, activation, dtype, device)
        if why is not None:
            raise InputError(why)
    if asked != "auto":
        return Choice(asked, "asked for")
    if activation.kinks == "smoothed":
        return Choice("dopri5", "smoothed kinks: steps resolve them, so that order 5 pays")
    if activation.kinks == "none":
        smooth = "leak 1" if activation.leak == 1.0 else f"activation {activation.name}"
        return Choice("dop853", f"{smooth}: the flow has no kinks, so that the highest order wins")
    why = refusal(HybridSolver.name, hidden, problem.rules, activation, dtype, device)
    if why is not None:
        # The part before the remedy, which is for those who asked for the solver.
        return Choice("bosh3", f"kinks, and {why.partition(':')[0]}: the cheapest step wins")
    if rtol < FINEST:
        return Choice("bosh3", f"kinks, and rtol is below {FINEST:g}: the cheapest step wins")
    return Choice(HybridSolver.name, "one hidden layer: kinks and sliding are followed exactly")

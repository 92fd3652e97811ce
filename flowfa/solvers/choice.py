"""Which solver ``auto`` takes for a problem, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flowfa.errors import InputError
from flowfa.problems.problem import Problem
from flowfa.settings import FlowSettings
from flowfa.solvers.event import EventSolver
from flowfa.solvers.hybrid import FINEST, HybridSolver, refusal
from flowfa.solvers.registry import make_solver
from flowfa.solvers.stepping.integration import Solver
from flowfa.solvers.stepping.side_by_side import SideBySide

MOST_PAIRS = 1000
"""Pairs of hidden neuron and sample up to which a deep trajectory takes the event solver under a
second (docs/theory/deep.md)."""


@dataclass(frozen=True)
class Choice:
    """A solver and the reason for it.

    Attributes
    ----------
    name : str
        As `flowfa.solvers.registry.make_solver` knows it; ``"hybrid + bosh3"`` where rules have
        different solvers.
    reason : str
        A clause that ``flowfa info`` shows.
    by_rule : mapping
        The solver of each rule where they differ, by the rule's name; else empty.
    """

    name: str
    reason: str
    by_rule: Mapping[str, str] = field(default_factory=dict)


def choose(
    asked: str,
    problem: Problem,
    *,
    rtol: float = FlowSettings.rtol,
    device: str = FlowSettings.device,
    dtype: str = FlowSettings.dtype,
) -> Choice:
    """Return the solver that `asked` denotes for a problem.

    With one hidden layer and kinks the hybrid solver took the least time for the same error at
    every tolerance, with or without sliding. Where it does not apply, kinks reduce an error test
    to first order, whatever the order of the method, so that the cheapest step wins: bosh3.
    Without kinks the highest order wins: dop853. Measured in docs/laboratory/benchmarks.md.
    In small networks of several hidden layers the event solver takes as long as bosh3 and is exact
    where that chatters; its time grows with the second to third power of the number of pairs of
    neuron and sample, of which some in a hundred slide. Smoothed kinks are in between, and so is
    the order that wins: dopri5 (docs/theory). Of other activations only their kinks count. A
    rule whose feedback has no form (C-12), or moves, does not get these solvers, but the rules
    beside it do. Beside rules that move their feedback, the others have states of their own length,
    and so an entry of their own in `Choice.by_rule` whatever the solver.

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
    choice = _choose(asked, problem, rtol, device, dtype)
    if not choice.by_rule and len({rule.moves for rule in problem.rules}) == 2:
        return replace(choice, by_rule={rule.name: choice.name for rule in problem.rules})
    return choice


def _choose(asked: str, problem: Problem, rtol: float, device: str, dtype: str) -> Choice:
    hidden, activation = len(problem.sizes) - 2, problem.activation
    if asked in (HybridSolver.name, EventSolver.name):
        # The solver itself would refuse too, but only once the run has begun to write.
        reason = refusal(asked, hidden, problem.rules, activation, problem.loss, dtype, device)
        if reason is not None:
            raise InputError(reason)
    if asked != "auto":
        return Choice(asked, "asked for")
    if activation.kinks == "smoothed":
        return Choice("dopri5", "smoothed kinks: steps resolve them, so that order 5 pays")
    if activation.kinks == "none":
        smooth = "leak 1" if activation.leak == 1.0 else f"activation {activation.name}"
        return Choice("dop853", f"{smooth}: the flow has no kinks, so that the highest order wins")
    in_form = tuple(rule for rule in problem.rules if rule.in_form)
    outside = [rule.name for rule in problem.rules if not rule.in_form]
    followed = in_form or problem.rules
    exactly = HybridSolver.name if hidden == 1 else EventSolver.name
    reason = refusal(exactly, hidden, followed, activation, problem.loss, dtype, device)
    if reason is not None:
        # The part before the remedy, which is for those who asked for the solver.
        return Choice("bosh3", f"kinks, and {reason.partition(':')[0]}: the cheapest step wins")
    pairs = problem.data.samples * sum(problem.sizes[1:-1])
    if exactly == EventSolver.name and pairs > MOST_PAIRS:
        return Choice(
            "bosh3",
            f"kinks, and {pairs} pairs of hidden neuron and sample in {hidden} hidden layers: the "
            f'cheapest step wins; `solver="event"` is exact and takes longer than for {MOST_PAIRS}',
        )
    if rtol < FINEST:
        return Choice("bosh3", f"kinks, and rtol is below {FINEST:g}: the cheapest step wins")
    layers = "one hidden layer" if hidden == 1 else f"{hidden} hidden layers of a small network"
    exact = f"{layers}: kinks and sliding are followed exactly"
    if not outside:
        return Choice(exactly, exact)
    because = ["the feedback has no form a W^T + B + M * sign(W)^T"]
    if all(rule.moves for rule in problem.rules if not rule.in_form):
        because = ["the feedback moves"]
    elif any(rule.moves for rule in problem.rules):
        because.append("or moves")
    return Choice(
        f"{exactly} + bosh3",
        f"{exactly} for {', '.join(rule.name for rule in in_form)} ({exact}), bosh3 for "
        f"{', '.join(outside)} ({' '.join(because)}: the cheapest step wins)",
        {rule.name: exactly if rule in in_form else "bosh3" for rule in problem.rules},
    )


def build_solver(
    name: str,
    by_rule: Mapping[str, str],
    around: Callable[[Solver], Solver] = lambda solver: solver,
    **settings: Any,
) -> Solver:
    """Build the solver of a `Choice`.

    Parameters
    ----------
    name : str
    by_rule : mapping
        Not empty where rules have different solvers.
    around : callable
        What is put around each solver, such as `stepping.stopping.Stopping`.
    **settings
        As `flowfa.solvers.registry.make_solver`, the same for all.

    Raises
    ------
    InputError
        As `flowfa.solvers.registry.make_solver`.
    """
    if not by_rule:
        return around(make_solver(name, **settings))
    solvers = {
        method: around(make_solver(method, **settings))
        for method in dict.fromkeys(by_rule.values())
    }
    return SideBySide({rule: solvers[method] for rule, method in by_rule.items()})

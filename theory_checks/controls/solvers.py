"""A solver that solves another equation than the one it is given."""

from __future__ import annotations

import dataclasses

from flowfa.flow.base import Field
from flowfa.solvers.stepping.integration import Integration, SaveCallback, Solver
from theory_checks.controls.control import Control
from theory_checks.controls.fields import Slowed
from theory_checks.controls.flows import small_flow
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.from_flow import evidence_of_flow
from theory_checks.evidence.rungs import Rung


class SlowSolver:
    """Another solver, which sees the field at a share of its speed, as if a stage had gone wrong.

    Parameters
    ----------
    solver : Solver
    share : float
    """

    name = "slow"

    def __init__(self, solver: Solver, share: float) -> None:
        self.solver = solver
        self.share = share

    def start(self, field: Field, run: Integration) -> None:
        """Begin as the other solver does."""
        self.solver.start(Slowed(field, self.share), run)

    def advance(self, field: Field, run: Integration, save: SaveCallback) -> None:
        """Take a step as the other solver does."""
        self.solver.advance(Slowed(field, self.share), run, save)


def slow_solver(rule: str, share: float) -> Control:
    """Return a control: a small flow whose states follow a slower field than its rates."""

    def slow(rung: Rung) -> Rung:
        return Rung(rung.label, lambda: SlowSolver(rung.make(), share))

    def control() -> Evidence:
        evidence = evidence_of_flow(small_flow(rule), t_end=2.0, rtol=1e-5, saves=9)
        return dataclasses.replace(evidence, rungs=tuple(slow(rung) for rung in evidence.rungs))

    return control

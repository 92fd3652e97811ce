"""The event-driven Filippov method: every step ends at the first event of the trajectory."""

from flowfa.solvers.event.solver import EventSolver

__all__ = ["EventSolver"]

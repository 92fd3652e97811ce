"""The exact non-smooth flow of one-hidden-layer networks."""

from flowfa.flow.hybrid.solver import HybridSolver

__all__ = ["HybridSolver"]

"""The exact non-smooth flow of one-hidden-layer networks."""

from flowfa.flow.hybrid.network import refusal
from flowfa.flow.hybrid.solver import FINEST, HybridSolver

__all__ = ["FINEST", "HybridSolver", "refusal"]

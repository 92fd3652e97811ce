"""The exact non-smooth flow of one-hidden-layer networks."""

from flowfa.solvers.hybrid.solver import FINEST, HybridSolver
from flowfa.solvers.one_hidden_layer.network import refusal

__all__ = ["FINEST", "HybridSolver", "refusal"]

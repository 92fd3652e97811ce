"""The exact non-smooth flow of one-hidden-layer networks."""

from flowfa.flow.hybrid.network import NEEDS_EXACT_KINKS, treats
from flowfa.flow.hybrid.solver import FINEST, HybridSolver

__all__ = ["FINEST", "NEEDS_EXACT_KINKS", "HybridSolver", "treats"]

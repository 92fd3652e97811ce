"""What is simulated: networks, losses, rules and starts."""

from flowfa.problems.ensemble import Ensemble, build_ensemble
from flowfa.problems.problem import Problem

__all__ = ["Ensemble", "Problem", "build_ensemble"]

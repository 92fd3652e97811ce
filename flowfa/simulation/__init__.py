"""Runs: a problem integrated into a record, with checkpoints."""

from flowfa.simulation.run import Run
from flowfa.simulation.settings import Settings
from flowfa.simulation.simulate import simulate

__all__ = ["Run", "Settings", "simulate"]

"""Runs: a problem integrated into a record, with checkpoints."""

from flowfa.simulation.from_configuration import simulate_configuration
from flowfa.simulation.run import Run
from flowfa.simulation.settings import Settings
from flowfa.simulation.simulate import simulate

__all__ = ["Run", "Settings", "simulate", "simulate_configuration"]

"""Runs: a problem integrated into a record, with checkpoints."""

from flowfa.simulation.from_configuration import simulate_configuration, train_configuration
from flowfa.simulation.run import Run
from flowfa.simulation.settings import Settings
from flowfa.simulation.simulate import simulate
from flowfa.simulation.train import train
from flowfa.simulation.training_settings import TrainingSettings

__all__ = [
    "Run",
    "Settings",
    "TrainingSettings",
    "simulate",
    "simulate_configuration",
    "train",
    "train_configuration",
]

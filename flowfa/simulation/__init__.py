"""Runs: a problem integrated into a record, with checkpoints."""

from flowfa.simulation.extend import extend
from flowfa.simulation.from_settings import simulate_from, train_from
from flowfa.simulation.run import Run
from flowfa.simulation.simulate import simulate
from flowfa.simulation.train import train

__all__ = [
    "Run",
    "extend",
    "simulate",
    "simulate_from",
    "train",
    "train_from",
]

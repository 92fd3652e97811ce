"""Runs: a problem integrated into a record, with checkpoints.

The parts are imported when they are first used, because to look at a finished run needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "Run": "run",
    "extend": "extending",
    "rerun": "rerunning",
    "simulate": "flow_run",
    "simulate_from": "from_settings",
    "train": "training_run",
    "train_from": "from_settings",
}

__all__ = [
    "Run",
    "extend",
    "rerun",
    "simulate",
    "simulate_from",
    "train",
    "train_from",
]

if TYPE_CHECKING:
    from flowfa.simulation.extending import extend
    from flowfa.simulation.flow_run import simulate
    from flowfa.simulation.from_settings import simulate_from, train_from
    from flowfa.simulation.rerunning import rerun
    from flowfa.simulation.run import Run
    from flowfa.simulation.training_run import train


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"flowfa.simulation.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'flowfa.simulation' has no attribute {name!r}")

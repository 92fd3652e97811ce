"""flowfa integrates the training flow of (leaky) ReLU networks under gradient descent and feedback.

The heavy parts are imported when they are first used, so that ``import flowfa`` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Dataset": "flowfa.datasets",
    "FeedbackForm": "flowfa.problems.rules",
    "FlowfaError": "flowfa.errors",
    "InputError": "flowfa.errors",
    "Problem": "flowfa.problems",
    "Rule": "flowfa.problems.rules",
    "RuleInForm": "flowfa.problems.rules",
    "Run": "flowfa.simulation",
    "drawn_for_each_layer": "flowfa.problems.rules",
    "load": "flowfa.records",
    "rule": "flowfa.problems.rules",
    "simulate": "flowfa.simulation",
    "train": "flowfa.simulation",
}
_PACKAGES = (
    "datasets",
    "flow",
    "plots",
    "problems",
    "records",
    "simulation",
    "testing",
    "training",
)

__all__ = [
    "Dataset",
    "FeedbackForm",
    "FlowfaError",
    "InputError",
    "Problem",
    "Rule",
    "RuleInForm",
    "Run",
    "__version__",
    "datasets",
    "drawn_for_each_layer",
    "flow",
    "load",
    "plots",
    "problems",
    "records",
    "rule",
    "simulate",
    "simulation",
    "testing",
    "train",
    "training",
]

if TYPE_CHECKING:
    from flowfa import datasets, flow, plots, problems, records, simulation, testing, training
    from flowfa.datasets import Dataset
    from flowfa.errors import FlowfaError, InputError
    from flowfa.problems import Problem
    from flowfa.problems.rules import FeedbackForm, Rule, RuleInForm, drawn_for_each_layer, rule
    from flowfa.records import load
    from flowfa.simulation import Run, simulate, train


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name in _PACKAGES:
        return importlib.import_module(f"flowfa.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'flowfa' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, imported or not."""
    return list(__all__)

"""flowfa integrates the training flow of (leaky) ReLU networks under gradient descent and feedback.

The heavy parts are imported when they are first used, so that ``import flowfa`` is quick.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Else MKL rounds a product by where its matrices begin in memory, so that a trajectory's last
# digits depend on how many run beside it. MKL reads this at the first product; it costs no time.
os.environ.setdefault("MKL_CBWR", "AUTO")

_HOMES = {
    "Activation": "flowfa.problems.activations",
    "Dataset": "flowfa.datasets",
    "FeedbackForm": "flowfa.problems.rules",
    "FlowfaError": "flowfa.errors",
    "InputError": "flowfa.errors",
    "Loss": "flowfa.problems.losses",
    "Problem": "flowfa.problems",
    "RandomStart": "flowfa.problems.starts",
    "Rule": "flowfa.problems.rules",
    "RuleInForm": "flowfa.problems.rules",
    "Run": "flowfa.simulation",
    "activation": "flowfa.problems.activations",
    "dataset": "flowfa.datasets",
    "drawn_for_each_layer": "flowfa.problems.rules",
    "import_file": "flowfa.files.own_code",
    "load": "flowfa.records",
    "loss": "flowfa.problems.losses",
    "extend": "flowfa.simulation",
    "observable": "flowfa.flow.observable_registry",
    "rerun": "flowfa.simulation",
    "rule": "flowfa.problems.rules",
    "simulate": "flowfa.simulation",
    "solver": "flowfa.solvers.registry",
    "start": "flowfa.problems.starts",
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
    "Activation",
    "Dataset",
    "FeedbackForm",
    "FlowfaError",
    "InputError",
    "Loss",
    "Problem",
    "RandomStart",
    "Rule",
    "RuleInForm",
    "Run",
    "__version__",
    "activation",
    "dataset",
    "datasets",
    "drawn_for_each_layer",
    "extend",
    "flow",
    "import_file",
    "load",
    "loss",
    "observable",
    "plots",
    "problems",
    "records",
    "rerun",
    "rule",
    "simulate",
    "simulation",
    "solver",
    "start",
    "testing",
    "train",
    "training",
]

if TYPE_CHECKING:
    from flowfa import datasets, flow, plots, problems, records, simulation, testing, training
    from flowfa.datasets import Dataset, dataset
    from flowfa.errors import FlowfaError, InputError
    from flowfa.files.own_code import import_file
    from flowfa.flow.observable_registry import observable
    from flowfa.problems import Problem
    from flowfa.problems.activations import Activation, activation
    from flowfa.problems.losses import Loss, loss
    from flowfa.problems.rules import FeedbackForm, Rule, RuleInForm, drawn_for_each_layer, rule
    from flowfa.problems.starts import RandomStart, start
    from flowfa.records import load
    from flowfa.simulation import Run, extend, rerun, simulate, train
    from flowfa.solvers.registry import solver


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

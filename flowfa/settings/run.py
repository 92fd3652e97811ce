"""All settings of ``flowfa simulate`` and of ``flowfa train``."""

from __future__ import annotations

from dataclasses import dataclass

from flowfa.settings.flow import FlowSettings
from flowfa.settings.output import RunOutputSettings
from flowfa.settings.problem import ProblemSettings
from flowfa.settings.training import TrainingSettings


@dataclass(frozen=True)
class SimulateSettings(RunOutputSettings, FlowSettings, ProblemSettings):
    """Integrate training flows of (leaky) ReLU networks, one or several rules side by side.

    Without flags: a two-layer leaky ReLU network of width 100 under feedback alignment, nearly
    orthogonal data, exponential loss, 8 trajectories from aligned starts. Writes a result file
    and a figure. The same names are the keys of a --config file; a flag overrides the file.
    """


@dataclass(frozen=True)
class TrainSettings(RunOutputSettings, TrainingSettings, ProblemSettings):
    """Train (leaky) ReLU networks in discrete steps, rules, rates and momenta side by side.

    The problems, starts and records are those of flowfa simulate; the rule brsf is here only.
    Writes a result file and a figure. The same names are the keys of a --config file; a flag
    overrides the file.
    """

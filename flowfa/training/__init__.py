"""The discrete counterpart of the flow: steps W <- W - eta_k G, side by side (docs/theory)."""

from flowfa.training.minibatches import Minibatches
from flowfa.training.redraws import Redraws
from flowfa.training.saves import SavePlan, plan_saves
from flowfa.training.schedule import Schedule
from flowfa.training.solver import DiscreteSteps
from flowfa.training.step_rule import StepRule, Stride, strides

__all__ = [
    "DiscreteSteps",
    "Minibatches",
    "Redraws",
    "SavePlan",
    "Schedule",
    "StepRule",
    "Stride",
    "plan_saves",
    "strides",
]

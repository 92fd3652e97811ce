"""Names of groups and variables of a result, and what they mean (docs/reference/file-format.md)."""

from __future__ import annotations

from typing import Literal

FLOW_TIME = "time of the flow"
TRAINING_TIME = "training time: sum of the rates"
STEPS_DONE = "steps done; the times of trajectories differ, see training_time"
"""What the time axis shows."""

TRAINING_AXES = ("rate", "momentum", "step", "training_time")
"""Coordinates of /trajectory in discrete training."""

Kind = Literal["float64", "int64", "int8", "text"]

CONDITION_LABELS = ("loss-reached", "gradient-reached", "alignment-reached")
"""What /solver/status says of trajectories that a condition stopped."""

MOVING = "moving_"
"""What the name of a matrix in /weights begins with that a rule moves: one for each snapshot."""

GROUPS = ("trajectory", "weights", "neurons", "data", "solver")
"""Groups that every result has."""

ROW = {
    "loss": "mean loss",
    "gradient_norm": "norm of the gradient of the loss",
    "update_norm": "norm of the update direction G",
    "cosine": "cosine of the angle between gradient and G",
    "loss_rate": "dLoss/dt along the flow, -<grad Loss, G>",
    "accuracy": "fraction of samples classified correctly",
}
ROW_LAYER = {
    "weight_norm": "Frobenius norm of W_l",
    "alignment": "cos(W_l, B_l^T)",
    "conservation_drift": "largest change of the invariant among the neurons of the layer",
}
ROW_NEURON = {"conserved": "invariant of the neuron"}
SOLVER: dict[str, tuple[Kind, str]] = {
    "status": ("text", "how the trajectory ended"),
    "message": ("text", "the status in words, with its remedy"),
    "steps": ("int64", "accepted steps; -1: not counted by this solver"),
    "rejected": ("int64", "rejected steps; -1: not counted by this solver"),
    "evaluations": ("int64", "evaluations of the field; -1: not counted by this solver"),
    "crossings": ("int64", "kinks crossed; -1: not counted by this solver"),
    "slidings": ("int64", "sliding modes entered; -1: not counted by this solver"),
    "exits": ("int64", "sliding modes left; -1: not counted by this solver"),
    "flips": ("int64", "sign changes of output weights; -1: not counted by this solver"),
    "repelling": ("int64", "events after which the flow was not unique; -1: not counted"),
    "error_estimate": ("float64", "estimated relative error at the end; NaN: not estimated"),
    "t_reached": ("float64", "time of the last good state"),
}

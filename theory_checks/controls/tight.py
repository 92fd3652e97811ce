"""Flows on which P-2's constant is attained to within half a per cent."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from flowfa.datasets import Dataset
from flowfa.flow.base import Field
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import Problem
from flowfa.problems.ensemble import Ensemble


def tight_flow(rule: str, leak: float = 0.3) -> NetworkFlow:
    """Return three flows of one neuron on one sample, for which <grad, G> is almost mu Loss^2.

    <grad, G>/Loss^2 = alpha^2 R^2 (a b + <w, u>^2) with a small w, as long as z < 0; and z < 0
    remains so, because the readout is negative where the label is positive.
    """
    problem = Problem(Dataset(np.array([[2.0, 0.0]]), np.ones(1)), (1,), leak, rule)
    first = -0.03 * np.array([[[1.0, 0.5]], [[0.8, -0.3]], [[1.2, 0.1]]])
    out = -np.array([[[1.0]], [[1.3]], [[0.8]]])
    kept = {} if rule in ("gd", "signfa") else {"B2": -np.array([[[1.0]], [[0.7]], [[1.1]]])}
    return NetworkFlow(problem, Ensemble((first, out), (None, None), (kept,)))


class Slower:
    """A field whose velocity is a share of another's.

    Parameters
    ----------
    field : Field
    share : float
    """

    def __init__(self, field: Field, share: float) -> None:
        self.field = field
        self.share = share

    def __call__(self, time: Tensor, state: Tensor) -> Tensor:
        """Return the velocity, (trajectory, parameter)."""
        return self.share * self.field(time, state)

    def select(self, rows: Tensor) -> Slower:
        """Return the field of some rows."""
        return Slower(self.field.select(rows), self.share)

    def switching(self, state: Tensor) -> Tensor | None:
        """Return the preactivations."""
        return self.field.switching(state)

    def surface_name(self, surface: int) -> str:
        """Return the name of a preactivation."""
        return self.field.surface_name(surface)

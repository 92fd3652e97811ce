"""What a solver needs to know of a flow."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Field(Protocol):
    """A batch of independent differential equations dy/dt = F_i(t, y), one for each trajectory.

    Trajectories never influence each other: row i of every result depends on row i of the
    arguments alone.
    """

    def __call__(self, time: Tensor, state: Tensor) -> Tensor:
        """Return dy/dt, (trajectory, parameter), at `time` (trajectory,) and `state`."""
        ...

    def select(self, rows: Tensor) -> Field:
        """Return the field of some rows, in non-decreasing order; repeats are allowed."""
        ...

    def switching(self, state: Tensor) -> Tensor | None:
        """Return what changes sign where the field has a kink, (trajectory, surface), or None."""
        ...

    def surface_name(self, surface: int) -> str:
        """Return in words which surface an index of `switching` denotes."""
        ...

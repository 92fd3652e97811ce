"""Which trajectories of an adaptive solver end after a round of trial steps, and why."""

from __future__ import annotations

import torch

from flowfa.solvers.stepping.integration import Integration
from flowfa.solvers.stepping.status import Status

BLOW_UP_GROWTH = 1e6
"""Growth of the velocity since the start that tells a blow-up from a step underflow."""


def find_ended(run: Integration, max_steps: int) -> dict[int, tuple[Status, str]]:
    """Return the status and detail of those that reached the end, got stuck, or ran out of steps.

    Parameters
    ----------
    run : Integration
        Its memory has ``time``, ``step``, ``trials``, ``velocity`` and ``first_velocity``.
    max_steps : int
        Most trials (accepted or not) of a trajectory.

    Returns
    -------
    dict
        By position in the working set.
    """
    memory = run.memory
    leaving: dict[int, tuple[Status, str]] = {}
    for position in (memory["trials"] >= max_steps).nonzero().flatten().tolist():
        reached = float(memory["time"][position])
        leaving[position] = (Status.MAX_STEPS, f"{max_steps} trials took it to {reached:g}")
    resolution = 16.0 * torch.finfo(memory["time"].dtype).eps * memory["time"].clamp_min(1e-290)
    stuck = (memory["step"] <= resolution) & (memory["time"] < run.end)
    for position in stuck.nonzero().flatten().tolist():
        leaving[position] = _why_stuck(run, position)
    for position in (memory["time"] >= run.end).nonzero().flatten().tolist():
        leaving[position] = (Status.OK, "")
    return leaving


def _why_stuck(run: Integration, position: int) -> tuple[Status, str]:
    memory = run.memory
    growth = float(memory["velocity"][position].norm() / memory["first_velocity"][position])
    when = f"at t = {float(memory['time'][position]):.9g}"
    if growth > BLOW_UP_GROWTH:
        return Status.BLOW_UP, f"{when} the velocity is {growth:.1e} times that of the start"
    return Status.STEP_UNDERFLOW, when

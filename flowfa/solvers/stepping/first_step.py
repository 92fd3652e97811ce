"""The first step of an adaptive solver, and what it remembers of its steps."""

from __future__ import annotations

import torch

from flowfa.flow.base import Field
from flowfa.solvers.stepping.controller import Tolerance
from flowfa.solvers.stepping.integration import Integration

ORDINARY = 1e-4
"""Tolerance from which on finer ones begin with shorter steps."""


def start_stepping(field: Field, run: Integration, tolerance: Tolerance, error_order: int) -> None:
    """Choose first steps by Hairer's rule (Hairer, Norsett & Wanner II.4).

    Its upper bound, 100 times a step in which the state moves by a hundredth, is the same at every
    tolerance, and so is a bound divided by the controller's greatest reduction some times. Two runs
    would begin with the same steps and agree on the error of these; checks take the difference of
    two tolerances for the error. So finer tolerances begin with shorter steps.

    Adds ``step``, ``previous_error``, ``after_rejection`` and ``first_velocity`` to the memory.

    Parameters
    ----------
    field : Field
        Of the working set.
    run : Integration
        Its memory has state, velocity and time.
    tolerance : Tolerance
    error_order : int
        q: the error estimate of a step is O(h^(q+1)).
    """
    memory = run.memory
    state, velocity = memory["state"], memory["velocity"]
    d0 = tolerance.norm(state, state, state)
    d1 = tolerance.norm(velocity, state, state)
    guess = torch.where((d0 < 1e-5) | (d1 < 1e-5), 1e-6, 0.01 * d0 / d1).clamp_max(run.end)
    moved = field(memory["time"] + guess, state + guess[:, None] * velocity)
    run.count("evaluations", 1)
    d2 = tolerance.norm(moved - velocity, state, state) / guess
    greatest = torch.maximum(d1, d2)
    small = torch.maximum(guess * 1e-3, torch.full_like(guess, 1e-6))
    power = 1.0 / (error_order + 1)
    refined = torch.where(greatest <= 1e-15, small, torch.exp(power * torch.log(0.01 / greatest)))
    # An overflow in the trial Euler step says that even the guess is too long.
    step = torch.minimum(100.0 * guess, refined)
    step = torch.where(step.isfinite(), step, 1e-3 * guess).clamp_max(run.end)
    memory["step"] = min(1.0, tolerance.rtol / ORDINARY) ** 0.1 * step
    memory["previous_error"] = torch.full_like(guess, 1e-4)
    memory["after_rejection"] = torch.zeros_like(guess, dtype=torch.bool)
    memory["first_velocity"] = velocity.norm(dim=1)
